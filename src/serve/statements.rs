//! Which statements the SQL port answers, and how it says no.
//!
//! Promises: a statement runs only if its plan reads and does nothing else; whatever else is asked is refused with
//! SQLSTATE 25006 and words; no statement runs longer than its limit.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::common::{DFSchema, DataFusionError, ParamValues};
use datafusion::execution::context::{SQLOptions, SessionContext};
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::sql::parser::Statement as Planned;
use datafusion::sql::sqlparser::ast::{Set, Statement};
use datafusion_postgres::QueryHook;
use datafusion_postgres::hooks::HookClient;
use datafusion_postgres::pgwire::api::ClientInfo;
use datafusion_postgres::pgwire::api::results::{Response, Tag};
use datafusion_postgres::pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use futures::{StreamExt, stream};
use tokio::time::Instant;

use super::settings;
use crate::problem::{Problem, codes};

/// Where a connection's own limit stands, in milliseconds.
const STATEMENT_TIMEOUT: &str = "statement_timeout_ms";
/// Longest run of a statement. A year of a city is grouped in seconds; what takes longer was not meant.
const STATEMENT_SECONDS_MAX: u64 = 60;

/// What a statement is to us.
enum Sort {
    /// Its plan decides.
    Read,
    /// A matter of the connection: settings, decorative transactions, cursors.
    Connection,
    /// Clients tidy up with it; there is nothing to tidy.
    Tidy(&'static str),
    Refused,
}

fn sort(statement: &Statement) -> Sort {
    match statement {
        Statement::Query(_) | Statement::Explain { .. } | Statement::ExplainTable { .. } => Sort::Read,
        Statement::ShowTables { .. } | Statement::ShowColumns { .. } | Statement::ShowFunctions { .. } => Sort::Read,
        Statement::Set(Set::SingleAssignment { variable, .. }) => {
            let ours = variable.to_string().to_lowercase();
            // The session is shared: its own settings are not a client's to change.
            if ours.starts_with("datafusion.") { Sort::Refused } else { Sort::Connection }
        }
        Statement::Set(_)
        | Statement::ShowVariable { .. }
        | Statement::ShowStatus { .. }
        | Statement::ShowCatalogs { .. }
        | Statement::StartTransaction { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Declare { .. }
        | Statement::Fetch { .. }
        | Statement::Close { .. } => Sort::Connection,
        Statement::Deallocate { .. } => Sort::Tidy("DEALLOCATE"),
        Statement::Discard { .. } => Sort::Tidy("DISCARD ALL"),
        Statement::Reset(_) => Sort::Tidy("RESET"),
        _ => Sort::Refused,
    }
}

/// The plan of a statement, if it reads and does nothing else.
pub async fn plan(context: &SessionContext, statement: &Statement) -> PgWireResult<LogicalPlan> {
    let planned = Planned::Statement(Box::new(statement.clone()));
    let plan = context.state().statement_to_plan(planned).await.map_err(|error| failed(&error))?;
    let reads = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    reads.verify_plan(&plan).map_err(|_| read_only(statement))?;
    Ok(plan)
}

/// Stands before every other hook.
#[derive(Debug)]
pub struct ReadOnly;

#[async_trait]
impl QueryHook for ReadOnly {
    async fn handle_simple_query(
        &self,
        statement: &Statement,
        context: &SessionContext,
        client: &mut dyn HookClient,
    ) -> Option<PgWireResult<Response>> {
        if let Some(answer) = settings::answer(statement, context, client).await {
            return Some(answer);
        }
        match sort(statement) {
            Sort::Read | Sort::Connection => refuse_cursor(statement, context).await.map(Err),
            Sort::Tidy(tag) => Some(Ok(Response::Execution(Tag::new(tag)))),
            Sort::Refused => Some(Err(read_only(statement))),
        }
    }

    async fn handle_extended_parse_query(
        &self,
        statement: &Statement,
        context: &SessionContext,
        _client: &(dyn ClientInfo + Send + Sync),
    ) -> Option<PgWireResult<LogicalPlan>> {
        match sort(statement) {
            Sort::Read => Some(plan(context, statement).await),
            Sort::Connection => refuse_cursor(statement, context).await.map(Err),
            Sort::Tidy(_) => {
                let schema = Arc::new(DFSchema::empty());
                Some(Ok(LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema })))
            }
            Sort::Refused => Some(Err(read_only(statement))),
        }
    }

    async fn handle_extended_query(
        &self,
        statement: &Statement,
        _plan: &LogicalPlan,
        _parameters: &ParamValues,
        context: &SessionContext,
        client: &mut dyn HookClient,
    ) -> Option<PgWireResult<Response>> {
        self.handle_simple_query(statement, context, client).await
    }
}

/// A cursor plans its query by itself, so the query is looked at here.
async fn refuse_cursor(statement: &Statement, context: &SessionContext) -> Option<PgWireError> {
    let Statement::Declare { stmts } = statement else { return None };
    for query in stmts.iter().filter_map(|declared| declared.for_query.as_ref()) {
        if let Err(refusal) = plan(context, &Statement::Query(query.clone())).await {
            return Some(refusal);
        }
    }
    None
}

/// When a statement that begins now must have ended.
pub fn deadline(client: &(impl ClientInfo + ?Sized)) -> Instant {
    let most = STATEMENT_SECONDS_MAX * 1_000;
    let own = client.metadata().get(STATEMENT_TIMEOUT).and_then(|text| text.parse::<u64>().ok());
    Instant::now() + Duration::from_millis(own.map_or(most, |own| own.min(most)))
}

/// The same answer, broken off with words at its deadline.
pub fn limited(answer: Response, deadline: Instant) -> Response {
    let Response::Query(mut query) = answer else { return answer };
    let rows = std::mem::replace(&mut query.data_rows, Box::pin(stream::empty()));
    let limited = stream::unfold(Some(rows), move |rows| async move {
        let mut rows = rows?;
        match tokio::time::timeout_at(deadline, rows.next()).await {
            Ok(Some(row)) => Some((row, Some(rows))),
            Ok(None) => None,
            Err(_) => Some((Err(too_long()), None)),
        }
    });
    query.data_rows = Box::pin(limited);
    Response::Query(query)
}

pub fn too_long() -> PgWireError {
    let found = format!("no end after {STATEMENT_SECONDS_MAX} s, or after the statement_timeout of the connection");
    told(&Problem::new(codes::sql::SQL_TOO_LONG, "a statement", found), "57014")
}

fn read_only(statement: &Statement) -> PgWireError {
    let text = statement.to_string();
    let word = text.split_whitespace().next().unwrap_or_default().to_uppercase();
    told(&Problem::new(codes::sql::READ_ONLY, "a statement", word), "25006")
}

/// A problem as PostgreSQL's message, detail and hint.
pub fn told(problem: &Problem, sqlstate: &str) -> PgWireError {
    let message = format!("{} / {}", problem.code.en, problem.code.zh);
    let mut info = ErrorInfo::new("ERROR".to_owned(), sqlstate.to_owned(), message);
    info.detail = Some(format!("{}: {} ({})", problem.at, problem.found, problem.code.id));
    info.hint = Some(problem.help.clone());
    PgWireError::UserError(Box::new(info))
}

/// DataFusion's error as a problem, with PostgreSQL's code for its sort.
pub fn failed(error: &DataFusionError) -> PgWireError {
    let root = error.find_root();
    if let DataFusionError::External(inner) = root
        && let Some(problem) = inner.downcast_ref::<Problem>()
    {
        let sqlstate = match problem.code {
            code if code == codes::sql::ALERT_UNKNOWN => "P0002",
            code if code == codes::sql::ALERT_AMBIGUOUS => "P0003",
            _ => "58030",
        };
        return told(problem, sqlstate);
    }
    let found = error.strip_backtrace();
    let sqlstate = match root {
        DataFusionError::SQL(..) => "42601",
        DataFusionError::SchemaError(..) => "42703",
        DataFusionError::Plan(text) if text.contains("not found") => "42P01",
        DataFusionError::Plan(_) => "42000",
        DataFusionError::NotImplemented(_) => "0A000",
        DataFusionError::ResourcesExhausted(_) => "53200",
        DataFusionError::Execution(_) | DataFusionError::ArrowError(..) => "22000",
        _ => "XX000",
    };
    let code = if sqlstate.starts_with("42") { codes::sql::SQL_REFUSED } else { codes::sql::SQL_NOT_RUN };
    told(&Problem::new(code, "a statement", found), sqlstate)
}
