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
use datafusion::sql::sqlparser::ast::{Reset, Set, Statement};
use datafusion_postgres::QueryHook;
use datafusion_postgres::hooks::HookClient;
use datafusion_postgres::pgwire::api::ClientInfo;
use datafusion_postgres::pgwire::api::Type;
use datafusion_postgres::pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo, QueryResponse, Response, Tag};
use datafusion_postgres::pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use futures::{StreamExt, stream};
use tokio::time::Instant;

use crate::problem::{Problem, codes};
use crate::terms::parse_instant;

/// The setting that moves a connection to a past moment.
pub const AS_OF: &str = "qianshao.as_of";
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
        if let Some(answer) = as_of_statement(statement, client) {
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

/// `SET qianshao.as_of = '…'`, `RESET qianshao.as_of`, `SHOW qianshao.as_of`.
fn as_of_statement(statement: &Statement, client: &mut dyn HookClient) -> Option<PgWireResult<Response>> {
    match statement {
        Statement::Set(Set::SingleAssignment { variable, values, .. })
            if variable.to_string().eq_ignore_ascii_case(AS_OF) =>
        {
            let text = values.first().map(ToString::to_string).unwrap_or_default();
            let text = text.trim_matches(['\'', '"']).trim().to_owned();
            if text.is_empty() || text.eq_ignore_ascii_case("default") || text.eq_ignore_ascii_case("now") {
                client.metadata_mut().remove(AS_OF);
            } else if parse_instant(&text).is_some() {
                client.metadata_mut().insert(AS_OF.to_owned(), text);
            } else {
                let problem = Problem::new(codes::sql::INSTANT_UNREADABLE, AS_OF, crate::problem::describe(&text));
                return Some(Err(told(&problem, "22007")));
            }
            Some(Ok(Response::Execution(Tag::new("SET"))))
        }
        Statement::Reset(reset) => {
            let ours = match &reset.reset {
                Reset::ALL => true,
                Reset::ConfigurationParameter(name) => name.to_string().eq_ignore_ascii_case(AS_OF),
            };
            if ours {
                client.metadata_mut().remove(AS_OF);
            }
            None
        }
        Statement::ShowVariable { variable } => {
            let name: Vec<&str> = variable.iter().map(|part| part.value.as_str()).collect();
            let ours = name.join(".").eq_ignore_ascii_case(AS_OF);
            ours.then(|| one_value(AS_OF, client.metadata().get(AS_OF).map_or("", String::as_str)))
        }
        _ => None,
    }
}

/// The moment that a connection looks at.
pub fn as_of(client: &(impl ClientInfo + ?Sized)) -> Option<i64> {
    client.metadata().get(AS_OF).and_then(|text| parse_instant(text))
}

fn one_value(name: &str, value: &str) -> PgWireResult<Response> {
    let fields = Arc::new(vec![FieldInfo::new(name.to_owned(), None, None, Type::VARCHAR, FieldFormat::Text)]);
    let mut row = DataRowEncoder::new(fields.clone());
    row.encode_field(&Some(value))?;
    let row = Ok(row.take_row());
    Ok(Response::Query(QueryResponse::new(fields, stream::once(async move { row }))))
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
        return told(problem, if problem.code == codes::sql::ALERT_UNKNOWN { "P0002" } else { "58030" });
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
