//! What a process runs: the three roles, as `serve` runs them, each a future that stops at every seam.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use qianshao::alert::Mode;
use qianshao::clock::Clock;
use qianshao::consume::identity::{Algorithm, Pseudonyms};
use qianshao::consume::role::{Consume, Step};
use qianshao::consume::seal::Sealer;
use qianshao::consume::source::EpochLimit;
use qianshao::delta::log::Log;
use qianshao::delta::tables::Table;
use qianshao::detect::tick::Detect;
use qianshao::kafka::Topics;
use qianshao::pipeline::judging::is_due;
use qianshao::problem::Result;
use qianshao::publish::role::Publish;

use super::plan::Rules;
use super::rows::Small;
use super::rules::{PACK, predicates, setting};
use super::seams::{SimLog, SimOutbox, SimSource};
use super::world::{WallOf, World};
use crate::scenarios::PREFIX;

/// A role that is being run.
pub type Role = Pin<Box<dyn Future<Output = Result<()>>>>;

/// Turns that a role passes over between two rounds: whoever rests lets others come first.
const REST_TURNS: usize = 6;
const KEY: &[u8] = b"schedules are about nobody, so this may be read";

/// Who runs a role, and on what.
#[derive(Clone)]
pub struct Seat {
    pub world: Arc<World>,
    pub process: usize,
    pub rules: Rules,
}

impl Seat {
    /// The roles of a process that has just begun.
    pub fn roles(&self) -> Vec<Option<Role>> {
        let (one, two, three) = (self.clone(), self.clone(), self.clone());
        vec![Some(Box::pin(one.consume())), Some(Box::pin(two.detect())), Some(Box::pin(three.publish()))]
    }

    fn log(&self, role: &'static str) -> Arc<dyn Log> {
        Arc::new(SimLog { world: self.world.clone(), process: self.process, role })
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(WallOf(self.world.clone(), self.process))
    }

    async fn rest(&self, what: &'static str) {
        for _ in 0..REST_TURNS {
            self.world.turn(self.process, what).await;
        }
    }

    fn holds(&self, role: &'static str) -> bool {
        self.world.state().seats[role] == self.process
    }

    async fn consume(self) -> Result<()> {
        let (log, clock) = (self.log("consume"), self.clock());
        let mut role = match self.rules {
            Rules::Predicates => {
                let means = Small { world: self.world.clone(), process: self.process };
                Consume::with(log, clock, Box::new(means)).await?
            }
            Rules::Shipped => {
                let pseudonyms = Arc::new(Pseudonyms::from_bytes(KEY, Algorithm::Sha256));
                let (feeds, sealer) = (setting().feeds.clone(), Arc::new(Sealer::from_bytes(KEY)));
                Consume::open(log, clock, feeds, pseudonyms, sealer, PREFIX).await?
            }
        };
        let mut source = SimSource::new(self.world.clone(), self.process, role.starts().await?);
        loop {
            let messages = 1 + self.world.state().dice.below(9) as usize;
            let limit = EpochLimit { messages, bytes: usize::MAX, wait_ms: 0 };
            match role.step(&mut source, &limit).await? {
                Step::Idle => self.rest("nothing to read").await,
                Step::Epoch { .. } | Step::Dropped | Step::End => {}
            }
        }
    }

    async fn detect(self) -> Result<()> {
        let log = self.log("detect");
        loop {
            while !self.holds("detect") {
                self.rest("another judges").await;
            }
            match self.judge(&log).await {
                // Another has taken over: wait until the seat comes back.
                Err(problem) if problem.code.reason == "detect_fenced" => {
                    self.world.state().forced(self.process, "fence");
                    self.rest("fenced").await;
                }
                ended => ended?,
            }
        }
    }

    async fn judge(&self, log: &Arc<dyn Log>) -> Result<()> {
        let clock = self.clock();
        let mut role = Detect::by(log.clone(), clock.clone(), PACK, Mode::Test, predicates(self.rules)).await?;
        let (mut seen, mut idle_since) = (i64::MIN, clock.now());
        while self.holds("detect") {
            let head = log.head(Table::Signals).await?;
            let due = is_due(idle_since, clock.now());
            if head.clock > seen || due {
                seen = role.tick(if head.clock > seen { head.clock } else { clock.now() }).await?.tick;
                idle_since = clock.now();
            }
            self.rest("judged").await;
        }
        Ok(())
    }

    async fn publish(self) -> Result<()> {
        let role = Publish::new(self.log("publish"), Topics { prefix: PREFIX.to_owned() });
        loop {
            while !self.holds("publish") {
                self.rest("another publishes").await;
            }
            let mut outbox = SimOutbox::new(self.world.clone(), self.process);
            while self.holds("publish") {
                // As `serve` does: what fails is told and tried again, what is fenced waits for its seat.
                let round = role.round(&mut outbox).await;
                let fenced = matches!(round, Ok(qianshao::publish::outbox::Round::Fenced(_)));
                self.rest(if fenced { "fenced" } else { "published all" }).await;
                if fenced {
                    break;
                }
            }
        }
    }
}
