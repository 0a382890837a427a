//! The settings of a connection that are ours: the moment that it looks at, and whose rules and numbers it speaks of.
//!
//! Promises: a setting that cannot be is refused at once and in words; the one before stays.

use arrow::array::AsArray;
use datafusion::execution::context::SessionContext;
use datafusion::sql::sqlparser::ast::{Reset, Set, Statement};
use datafusion_postgres::hooks::HookClient;
use datafusion_postgres::pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo, QueryResponse, Response, Tag};
use datafusion_postgres::pgwire::api::{ClientInfo, Type};
use datafusion_postgres::pgwire::error::PgWireResult;
use futures::stream;
use std::sync::Arc;

use super::statements::told;
use crate::engine;
use crate::problem::{Problem, codes, describe};
use crate::terms::parse_instant;

/// The setting that moves a connection to a past moment.
pub const AS_OF: &str = "qianshao.as_of";
/// The setting that chooses the edition of `param('name')` and `findings`.
pub const PACK: &str = "qianshao.pack";

/// Answers `SET`, `RESET` and `SHOW` of our settings; `None` for everything else.
pub async fn answer(
    statement: &Statement,
    context: &SessionContext,
    client: &mut dyn HookClient,
) -> Option<PgWireResult<Response>> {
    match statement {
        Statement::Set(Set::SingleAssignment { variable, values, .. }) => {
            let name = ours(&variable.to_string())?;
            let text = values.first().map(ToString::to_string).unwrap_or_default();
            let text = text.trim_matches(['\'', '"']).trim().to_owned();
            if text.is_empty() || text.eq_ignore_ascii_case("default") || text.eq_ignore_ascii_case("now") {
                client.metadata_mut().remove(name);
            } else if let Some(refusal) = refusal(name, &text, context).await {
                return Some(refusal);
            } else {
                client.metadata_mut().insert(name.to_owned(), text);
            }
            Some(Ok(Response::Execution(Tag::new("SET"))))
        }
        Statement::Reset(reset) => {
            for name in [AS_OF, PACK] {
                let named = match &reset.reset {
                    Reset::ALL => true,
                    Reset::ConfigurationParameter(asked) => ours(&asked.to_string()) == Some(name),
                };
                if named {
                    client.metadata_mut().remove(name);
                }
            }
            None
        }
        Statement::ShowVariable { variable } => {
            let name: Vec<&str> = variable.iter().map(|part| part.value.as_str()).collect();
            let name = ours(&name.join("."))?;
            Some(one_value(name, client.metadata().get(name).map_or("", String::as_str)))
        }
        _ => None,
    }
}

fn ours(name: &str) -> Option<&'static str> {
    [AS_OF, PACK].into_iter().find(|known| name.eq_ignore_ascii_case(known))
}

/// Why the value cannot be.
async fn refusal(name: &str, text: &str, context: &SessionContext) -> Option<PgWireResult<Response>> {
    if name == AS_OF {
        let problem = || Problem::new(codes::sql::INSTANT_UNREADABLE, AS_OF, describe(text));
        return parse_instant(text).is_none().then(|| Err(told(&problem(), "22007")));
    }
    let packs = match engine::query(context, PACK, "SELECT pack FROM packs ORDER BY pack").await {
        Ok(packs) => packs,
        Err(problem) => return Some(Err(told(&problem, "58030"))),
    };
    let known: Vec<&str> = packs.iter().flat_map(|batch| batch.column(0).as_string::<i32>().iter().flatten()).collect();
    (!known.contains(&text)).then(|| {
        let problem = Problem::new(codes::sql::PACK_UNKNOWN, PACK, describe(text));
        Err(told(&problem.help(format!("choose one of: {}", known.join(", "))), "22023"))
    })
}

/// The moment that a connection looks at.
pub fn as_of(client: &(impl ClientInfo + ?Sized)) -> Option<i64> {
    client.metadata().get(AS_OF).and_then(|text| parse_instant(text))
}

/// The edition that a connection has chosen.
pub fn pack(client: &(impl ClientInfo + ?Sized)) -> Option<&str> {
    client.metadata().get(PACK).map(String::as_str)
}

fn one_value(name: &str, value: &str) -> PgWireResult<Response> {
    let fields = Arc::new(vec![FieldInfo::new(name.to_owned(), None, None, Type::VARCHAR, FieldFormat::Text)]);
    let mut row = DataRowEncoder::new(fields.clone());
    row.encode_field(&Some(value))?;
    let row = Ok(row.take_row());
    Ok(Response::Query(QueryResponse::new(fields, stream::once(async move { row }))))
}
