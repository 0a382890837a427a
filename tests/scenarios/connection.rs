//! Our end of sqllogictest: what a scenario says is done in a world, or asked of it.
//!
//! Statements, besides SQL:
//! `SEND feed/kind {json}` (more lines: more messages, `{json}` of the same kind or `feed/kind {json}`);
//! `SERIES feed/kind first-day {json with $day, $day+1 and $n}` and a line of values, a message a day: `9,11x3 20` is
//! 9 11 9 11 9 11 20;
//! `REGISTER facilities` and CSV lines; `TICK time`; `AS OF time`, for the queries until the next tick;
//! `REPLAY`: the recorded ticks over the recorded rows give the same alert history, to the bit.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::execution::context::SessionContext;
use qianshao::engine;
use qianshao::problem::Problem;
use qianshao::terms::{Day, parse_instant};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType};
use tokio::sync::Mutex;

use super::world::World;
use super::{messages, replay, session, values};

/// What could not be done, in words.
#[derive(Debug)]
pub struct Refused(String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl From<Box<Problem>> for Refused {
    fn from(problem: Box<Problem>) -> Self {
        Self(problem.to_string())
    }
}

fn refused(words: impl Into<String>) -> Refused {
    Refused(words.into())
}

pub struct Connection {
    pub world: Arc<Mutex<World>>,
    session: Option<SessionContext>,
    as_of: Option<i64>,
}

impl Connection {
    pub fn new(world: Arc<Mutex<World>>) -> Self {
        Self { world, session: None, as_of: None }
    }

    async fn act(&mut self, text: &str) -> Result<bool, Refused> {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let (verb, argument) = first.split_once(' ').unwrap_or((first, ""));
        let mut world = self.world.lock().await;
        match verb {
            "SEND" => send(&mut world, argument, rest)?,
            "SERIES" => series(&mut world, argument, rest)?,
            "REGISTER" => world.register(argument, rest).await?,
            "TICK" => {
                let at = parse_instant(argument).ok_or_else(|| refused(format!("TICK {argument}: no time")))?;
                world.tick_at(at).await?;
                self.as_of = None;
            }
            "AS" => {
                let text = argument.trim_start_matches("OF ");
                self.as_of = Some(parse_instant(text).ok_or_else(|| refused(format!("AS OF {text}: no time")))?);
            }
            "REPLAY" => replay::same_history(&world).await?,
            _ => return Ok(false),
        }
        self.session = None;
        Ok(true)
    }

    async fn ask(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        if self.session.is_none() {
            let world = self.world.lock().await;
            let (until, tick) = (self.as_of.unwrap_or(i64::MAX), self.as_of.unwrap_or(world.tick));
            let context = session::session(&world.log, &world.setting.pack, until, tick).await?;
            let sent = messages::table(&world.topics.visible());
            engine::register(&context, "messages", sent.schema(), vec![sent])?;
            self.session = Some(context);
        }
        let Some(context) = &self.session else { return Err(refused("no session")) };
        let frame = engine::plan(context, "a scenario", sql).await?;
        let types = frame.schema().fields().iter().map(|field| values::column_type(field.data_type())).collect();
        let batches = frame.collect().await.map_err(|error| engine::not_run("a scenario", &error))?;
        Ok(DBOutput::Rows { types, rows: values::rows(&batches) })
    }
}

fn send(world: &mut World, first: &str, rest: &str) -> Result<(), Refused> {
    let mut kind = "";
    for line in [first].into_iter().chain(rest.lines()).map(str::trim).filter(|line| !line.is_empty()) {
        let payload = match line.split_once(' ') {
            Some((named, payload)) if !line.starts_with('{') => {
                kind = named;
                payload.trim()
            }
            _ if line.starts_with('{') => line,
            _ => {
                kind = line;
                continue;
            }
        };
        let (feed, name) = kind.split_once('/').ok_or_else(|| refused(format!("SEND {kind}: not feed/kind")))?;
        let known = world.setting.feeds.get(feed).is_some_and(|feed| feed.kinds.iter().any(|kind| kind.name == name));
        if !known {
            return Err(refused(format!("SEND {kind}: no such feed and kind")));
        }
        world.send(feed, payload);
    }
    Ok(())
}

/// One message a day from the first day on.
fn series(world: &mut World, first: &str, rest: &str) -> Result<(), Refused> {
    let parts: Vec<&str> = first.splitn(3, ' ').collect();
    let &[kind, day, body] = &parts[..] else { return Err(refused("SERIES feed/kind first-day {json}")) };
    let mut day = Day::parse(day).ok_or_else(|| refused(format!("SERIES {day}: no day")))?;
    for group in rest.split_whitespace() {
        let (values, times) = group.split_once('x').unwrap_or((group, "1"));
        let times: usize = times.parse().map_err(|_| refused(format!("SERIES {group}: no number of times")))?;
        for value in std::iter::repeat_n(values.split(','), times).flatten() {
            let next = day.plus(1);
            let dated = body.replace("$day+1", &next.to_string()).replace("$day", &day.to_string());
            send(world, kind, &dated.replace("$n", value))?;
            day = next;
        }
    }
    Ok(())
}

#[async_trait]
impl AsyncDB for Connection {
    type Error = Refused;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        if self.act(sql).await? { Ok(DBOutput::StatementComplete(0)) } else { self.ask(sql).await }
    }

    async fn shutdown(&mut self) {}
}
