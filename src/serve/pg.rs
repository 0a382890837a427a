//! The PostgreSQL port: `psql` and its kin read here.
//!
//! Promises: it listens on loopback addresses only, because it asks for no password; each statement sees the newest
//! commit, or the moment of `SET qianshao.as_of`; nothing can be changed through it.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::common::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_postgres::arrow_pg::datatypes::df::encode_dataframe;
use datafusion_postgres::datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_postgres::hooks::cursor::CursorStatementHook;
use datafusion_postgres::hooks::set_show::SetShowHook;
use datafusion_postgres::hooks::transactions::TransactionStatementHook;
use datafusion_postgres::pgwire::api::auth::StartupHandler;
use datafusion_postgres::pgwire::api::auth::noop::NoopStartupHandler;
use datafusion_postgres::pgwire::api::cancel::{CancelHandler, DefaultCancelHandler};
use datafusion_postgres::pgwire::api::portal::{Format, Portal};
use datafusion_postgres::pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use datafusion_postgres::pgwire::api::results::{FieldInfo, Response};
use datafusion_postgres::pgwire::api::stmt::{QueryParser, StoredStatement};
use datafusion_postgres::pgwire::api::store::PortalStore;
use datafusion_postgres::pgwire::api::{
    ClientInfo, ClientPortalStore, ConnectionManager as Connections, ErrorHandler, PgWireServerHandlers, Type,
};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::PgWireBackendMessage;
use datafusion_postgres::pgwire::tokio::process_socket;
use datafusion_postgres::pgwire::types::format::FormatOptions;
use datafusion_postgres::{DfSessionService, Parser, QueryHook};
use futures::Sink;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::settings;
use super::snapshots::{Snapshot, Snapshots};
use super::statements::{self, ReadOnly};
use crate::delta::registers::Registers;
use crate::engine;
use crate::problem::{Problem, Result, codes};

/// Open connections. Each may hold an answer in memory; a city's analysts and dashboards are a dozen.
const CONNECTIONS_MAX: usize = 64;

/// Opens the port, on this machine's own addresses only.
pub async fn bind(address: SocketAddr) -> Result<TcpListener> {
    if !address.ip().is_loopback() {
        return Err(Problem::new(codes::sql::NOT_LOOPBACK, "the SQL port", address.to_string()));
    }
    TcpListener::bind(address)
        .await
        .map_err(|error| Problem::new(codes::IO, format!("the SQL port {address}"), error.to_string()))
}

/// What stands before every statement, in this order.
pub fn hooks() -> Vec<Arc<dyn QueryHook>> {
    vec![Arc::new(ReadOnly), Arc::new(CursorStatementHook), Arc::new(SetShowHook), Arc::new(TransactionStatementHook)]
}

/// Answers connections until `stop`; open ones end with it.
pub async fn serve(listener: TcpListener, snapshots: Arc<Snapshots>, stop: impl Future<Output = ()>) {
    let manager = Arc::new(Connections::new());
    let port = Arc::new(Port::new(snapshots, manager));
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((_, peer)) if connections.len() >= CONNECTIONS_MAX => warn!(%peer, "a connection too many for the SQL port"),
                Ok((socket, peer)) => {
                    let port = port.clone();
                    connections.spawn(async move {
                        if let Err(error) = process_socket(socket, None, port).await {
                            info!(%peer, %error, "a SQL connection broke off");
                        }
                    });
                }
                Err(error) => warn!(%error, "a SQL connection was not accepted"),
            }
        }
    }
}

/// The handlers of all connections; what is a connection's own stands in its metadata.
struct Port {
    answering: Arc<Answering>,
    startup: Arc<Startup>,
    cancel: Arc<DefaultCancelHandler>,
}

struct Startup {
    manager: Arc<Connections>,
}

impl NoopStartupHandler for Startup {
    fn connection_manager(&self) -> Option<Arc<Connections>> {
        Some(self.manager.clone())
    }
}

impl Port {
    fn new(snapshots: Arc<Snapshots>, manager: Arc<Connections>) -> Self {
        let bare = engine::session(&Arc::new(Registers::default()), &BTreeMap::new(), 0);
        let library = DfSessionService::new_with_hooks(Arc::new(bare), Vec::new()).query_parser();
        let parser = Arc::new(PortParser { snapshots: snapshots.clone(), library });
        let answering = Answering { snapshots, parser, syntax: PostgresCompatibilityParser::new(), hooks: hooks() };
        Self {
            answering: Arc::new(answering),
            startup: Arc::new(Startup { manager: manager.clone() }),
            cancel: Arc::new(DefaultCancelHandler::new(manager)),
        }
    }
}

impl PgWireServerHandlers for Port {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        self.answering.clone()
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        self.answering.clone()
    }

    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        self.startup.clone()
    }

    fn error_handler(&self) -> Arc<impl ErrorHandler> {
        Arc::new(Words)
    }

    fn cancel_handler(&self) -> Arc<impl CancelHandler> {
        self.cancel.clone()
    }
}

/// Says errors in our words, also those that come up deep in the library.
struct Words;

impl ErrorHandler for Words {
    fn on_error<C: ClientInfo>(&self, _client: &C, error: &mut PgWireError) {
        if let PgWireError::ApiError(inner) = error
            && let Some(inner) = inner.downcast_ref::<DataFusionError>()
        {
            *error = statements::failed(inner);
        }
    }
}

type Parsed = (String, Option<(Statement, LogicalPlan)>);

struct Answering {
    snapshots: Arc<Snapshots>,
    parser: Arc<PortParser>,
    syntax: PostgresCompatibilityParser,
    hooks: Vec<Arc<dyn QueryHook>>,
}

/// The session that a connection's next statement runs in.
async fn snapshot(snapshots: &Snapshots, client: &(impl ClientInfo + ?Sized)) -> PgWireResult<Arc<Snapshot>> {
    let opened = snapshots.at(settings::as_of(client), settings::pack(client)).await;
    opened.map_err(|problem| statements::told(&problem, "58030"))
}

/// Plans, runs and encodes one statement that reads.
async fn answer(snapshot: &Snapshot, statement: &Statement, format: FormatOptions) -> PgWireResult<Response> {
    let context = &snapshot.opened.context;
    let plan = statements::plan(context, statement).await?;
    let frame = context.execute_logical_plan(plan).await.map_err(|error| statements::failed(&error))?;
    Ok(Response::Query(encode_dataframe(frame, &Format::UnifiedText, Some(Arc::new(format))).await?))
}

#[async_trait]
impl SimpleQueryHandler for Answering {
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: std::fmt::Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let parsed = self.syntax.parse(query);
        let parsed = parsed.map_err(|error| statements::failed(&DataFusionError::SQL(Box::new(error), None)))?;
        if parsed.is_empty() {
            return Ok(vec![Response::EmptyQuery]);
        }
        let mut answers = Vec::new();
        'statements: for statement in &parsed {
            let snapshot = snapshot(&self.snapshots, client).await?;
            for hook in &self.hooks {
                if let Some(answer) = hook.handle_simple_query(statement, &snapshot.opened.context, client).await {
                    answers.push(answer?);
                    continue 'statements;
                }
            }
            let deadline = statements::deadline(client);
            let format = FormatOptions::from_client_metadata(client.metadata());
            let answer = tokio::time::timeout_at(deadline, answer(&snapshot, statement, format));
            let answer = answer.await.map_err(|_| statements::too_long())??;
            answers.push(statements::limited(answer, deadline));
        }
        Ok(answers)
    }
}

#[async_trait]
impl ExtendedQueryHandler for Answering {
    type Statement = Parsed;
    type QueryParser = PortParser;

    fn query_parser(&self) -> Arc<PortParser> {
        self.parser.clone()
    }

    async fn do_query<C>(&self, client: &mut C, portal: &Portal<Parsed>, max_rows: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Parsed>,
        C::Error: std::fmt::Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let snapshot = snapshot(&self.snapshots, client).await?;
        let deadline = statements::deadline(client);
        let fresh = planned_anew(&snapshot, portal).await?;
        let answer = ExtendedQueryHandler::do_query(&*snapshot.service, client, &fresh, max_rows);
        let answer = tokio::time::timeout_at(deadline, answer).await.map_err(|_| statements::too_long())??;
        Ok(statements::limited(answer, deadline))
    }
}

/// The same portal with its plan over today's tables: a prepared statement may be older than the newest commit.
async fn planned_anew(snapshot: &Snapshot, portal: &Portal<Parsed>) -> PgWireResult<Portal<Parsed>> {
    let (text, parsed) = &portal.statement.statement;
    let parsed = match parsed {
        Some((statement @ (Statement::Query(_) | Statement::Explain { .. }), _)) => {
            Some((statement.clone(), statements::plan(&snapshot.opened.context, statement).await?))
        }
        other => other.clone(),
    };
    let mut fresh = Portal::default();
    fresh.name.clone_from(&portal.name);
    fresh.statement = Arc::new(StoredStatement::new(
        portal.statement.id.clone(),
        (text.clone(), parsed),
        portal.statement.parameter_types.clone(),
    ));
    fresh.parameter_format = portal.parameter_format.clone();
    fresh.parameters.clone_from(&portal.parameters);
    fresh.result_column_format = portal.result_column_format.clone();
    Ok(fresh)
}

/// Parses prepared statements over the session that is the newest then.
struct PortParser {
    snapshots: Arc<Snapshots>,
    // It tells types and columns from a plan alone, so any session's does.
    library: Arc<Parser>,
}

#[async_trait]
impl QueryParser for PortParser {
    type Statement = Parsed;

    async fn parse_sql<C>(&self, client: &C, sql: &str, types: &[Option<Type>]) -> PgWireResult<Option<Parsed>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let snapshot = snapshot(&self.snapshots, client).await?;
        snapshot.service.query_parser().parse_sql(client, sql, types).await
    }

    fn get_parameter_types(&self, statement: &Parsed) -> PgWireResult<Vec<Type>> {
        self.library.get_parameter_types(statement)
    }

    fn get_result_schema(&self, statement: &Parsed, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        self.library.get_result_schema(statement, format)
    }
}

#[cfg(test)]
#[path = "pg_tests.rs"]
mod tests;
