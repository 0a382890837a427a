//! One schedule from its first turn to its last: rough at first, then healed, then judged.
//!
//! Promises: a plan gives the same run every time; a run that does not come to rest after healing fails.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use futures::FutureExt;
use qianshao::clock::ManualClock;
use qianshao::consume::message::Message;
use qianshao::consume::source::Partition;
use qianshao::delta::log::Log;
use qianshao::delta::reference::put_in_force;
use qianshao::pipeline::InForce;
use qianshao::problem::{Problem, Result};
use qianshao::terms::{Day, MICROS_PER_SECOND, Position};

use super::checks;
use super::fault::{Kind, Tally};
use super::letters::{DAYS, FIRST_DAY, Letter, PARTITIONS, letters};
use super::lives::{Role, Seat};
use super::plan::{Did, Plan, Rules};
use super::rules::texts;
use super::world::{PROCESSES, TOPIC, World};

/// A rough phase has at most so many turns; then it is healed whatever was sent.
const ROUGH_TURNS_MAX: usize = 6_000;
/// After healing everything is done within so many turns.
const HEALED_TURNS_MAX: usize = 6_000;
/// Of these the last so many are only waited for: nothing may happen in them any more.
const QUIET_TURNS: usize = 600;
/// Messages that are in the log before a topic may be made again: a schedule below fifty shows little.
const CONSUMED_MIN: i64 = 52;

/// What a run came to.
pub struct Report {
    pub tally: Tally,
    pub did: Did,
    pub turns: usize,
    /// Digest of every turn, and of every file of the log and message of the topics at the end.
    pub bytes: [u8; 32],
    pub trace: Vec<String>,
    pub failed: Option<String>,
}

/// The world and what lives in it.
struct Running {
    world: Arc<World>,
    plan: Plan,
    lives: [Vec<Option<Role>>; PROCESSES],
    letters: std::vec::IntoIter<Letter>,
    held_back: Vec<Letter>,
    turns: usize,
}

/// Runs a plan.
pub async fn run(plan: &Plan, is_traced: bool) -> Report {
    let begins = match plan.rules {
        Rules::Predicates => 0,
        // What lies in the future is flagged by the shipped intake, and the model knows of no flags.
        Rules::Shipped => DAYS as i32,
    };
    let now = Day::parse(FIRST_DAY).unwrap().plus(begins).at_minute(7 * 60);
    let world = World::new(plan, now, is_traced);
    let mut dice = crate::scenarios::Dice::seeded(plan.seed ^ 0x6c65_7474_6572_7321);
    let letters: Vec<Letter> = letters(&mut dice).into_iter().take(plan.messages).collect();
    let mut running = Running {
        lives: std::array::from_fn(|_| Vec::new()),
        world: world.clone(),
        plan: plan.clone(),
        letters: letters.into_iter(),
        held_back: Vec::new(),
        turns: 0,
    };
    let failed = running.whole().await.err();
    let bytes = checks::bytes(&world);
    let state = world.state();
    Report {
        tally: state.tally.clone(),
        did: Did { faults: state.faults, messages: state.sent },
        turns: running.turns,
        bytes,
        trace: state.trace.clone().unwrap_or_default(),
        failed,
    }
}

impl Running {
    async fn whole(&mut self) -> Result<(), String> {
        let clock = ManualClock::new(self.world.state().now - MICROS_PER_SECOND);
        let texts = texts(self.plan.rules);
        put_in_force(&self.world.log, &clock, &InForce::CLASSES, &texts).await.map_err(|why| why.to_string())?;
        for process in 0..PROCESSES {
            self.start(process);
        }
        self.rough().await?;
        checks::while_rough(&self.world).await?;
        self.heal();
        self.come_to_rest().await?;
        checks::at_rest(&self.world, &self.plan).await
    }

    fn start(&mut self, process: usize) {
        let seat = Seat { world: self.world.clone(), process, rules: self.plan.rules };
        self.lives[process] = seat.roles();
    }

    async fn rough(&mut self) -> Result<(), String> {
        while self.turns < ROUGH_TURNS_MAX && !(self.letters.len() == 0 && self.held_back.is_empty()) {
            self.happen();
            self.go_on().await?;
        }
        // What was sent last is under way when everything is healed, or has been for long.
        let rest = self.world.state().dice.below(400);
        for _ in 0..rest {
            self.happen();
            self.go_on().await?;
        }
        Ok(())
    }

    /// What happens outside the processes before the next turn.
    fn happen(&mut self) {
        let (sends, passes, leaps) = {
            let mut state = self.world.state();
            (state.dice.below(5) == 0, state.dice.below(9), state.dice.below(150) == 0)
        };
        if sends {
            self.send();
        }
        {
            let mut state = self.world.state();
            state.now += (1 + passes as i64) * MICROS_PER_SECOND / 20;
            if leaps {
                // A night, so that a run of days passes.
                state.now += state.dice.below(20) as i64 * 3_600 * MICROS_PER_SECOND;
            }
        }
        self.mend();
        self.break_something();
    }

    fn send(&mut self) {
        let (again, late, which) = {
            let mut state = self.world.state();
            (state.strikes(Kind::Duplicate, 16), state.strikes(Kind::Reorder, 16), state.dice.below(4))
        };
        let next = match (which, self.held_back.is_empty()) {
            (0, false) => Some(self.held_back.remove(0)),
            _ => self.letters.next().or_else(|| self.held_back.pop()),
        };
        let Some(letter) = next else { return };
        if late {
            self.held_back.push(letter.clone());
            return;
        }
        self.place(&letter);
        if again {
            self.held_back.push(letter);
        }
    }

    /// Gives a message its place in its partition.
    fn place(&self, letter: &Letter) {
        let ends = self.world.feeds.ends();
        let offset = ends.get(&(TOPIC.to_owned(), letter.partition)).copied().unwrap_or(0);
        let position = Position { topic: TOPIC.into(), partition: letter.partition, offset };
        let mut state = self.world.state();
        state.sent += 1;
        if !state.recreated {
            state.ledger.insert((letter.partition, offset), letter.clone());
        }
        state.note(|| format!("sent {position}: {:?}", letter.said));
        let timestamp = Some(state.now);
        let payload = Some(letter.text.clone().into_bytes());
        drop(state);
        self.world.feeds.append([Message { position, timestamp, key: None, headers: Vec::new(), payload }]);
    }

    /// What stands still goes on, what has ended begins again, who holds a seat and is gone loses it.
    fn mend(&mut self) {
        for process in 0..PROCESSES {
            let (thaws, starts) = {
                let mut state = self.world.state();
                (state.dice.below(60) == 0, state.dice.below(25) == 0)
            };
            if thaws {
                self.world.state().processes[process].frozen = false;
            }
            if starts && self.lives[process].is_empty() {
                self.start(process);
            }
        }
        for role in ["detect", "publish"] {
            let mut state = self.world.state();
            let holder = state.seats[role];
            let gone = state.processes[holder].frozen || self.lives[holder].is_empty();
            if gone && state.dice.below(12) == 0 {
                state.seats.insert(role, 1 - holder);
                state.note(|| format!("{role} goes to process {}", 1 - holder));
            }
        }
    }

    fn break_something(&mut self) {
        let (kind, process) = {
            let mut state = self.world.state();
            let process = state.dice.below(PROCESSES as u64) as usize;
            let kind = match state.dice.below(1_000) {
                0..8 => Kind::Crash,
                8..16 => Kind::Freeze,
                16..22 => Kind::Rebalance,
                22..26 => Kind::ClockJump,
                26..32 => Kind::PowerKept,
                // Most schedules have no topic that is made again: after it little more is taken in.
                32..60 if self.plan.seed.is_multiple_of(4) => Kind::TopicRecreated,
                _ => return,
            };
            (kind, process)
        };
        match kind {
            Kind::Crash if !self.lives[process].is_empty() && self.world.state().strikes(kind, 1) => {
                self.world.state().note(|| format!("process {process} is killed"));
                self.end(process, kind);
            }
            Kind::Freeze if !self.lives[process].is_empty() && self.world.state().strikes(kind, 1) => {
                let mut state = self.world.state();
                state.processes[process].frozen = true;
                state.blame(process, kind);
                state.note(|| format!("process {process} stands still"));
            }
            Kind::Rebalance if self.world.state().strikes(kind, 1) => self.rebalance(),
            Kind::ClockJump if self.world.state().strikes(kind, 1) => {
                let mut state = self.world.state();
                let hours = state.dice.below(61) as i64 - 30;
                state.processes[process].off = hours * 3_600 * MICROS_PER_SECOND;
                state.blame(process, kind);
                state.note(|| format!("the clock of process {process} is {hours} hours off"));
            }
            Kind::PowerKept => self.lose_power(),
            Kind::TopicRecreated => self.recreate(),
            _ => {}
        }
    }

    /// A process is gone. A write under way was done, or not.
    fn end(&mut self, process: usize, kind: Kind) {
        self.lives[process].clear();
        let flights = std::mem::take(&mut self.world.state().processes[process].in_flight);
        for (table, head, append) in flights.into_values() {
            let is_done = match kind {
                Kind::PowerKept => true,
                Kind::PowerDropped | Kind::PowerTorn | Kind::PowerTruncated => false,
                _ => self.world.state().dice.below(2) == 0,
            };
            if is_done {
                // Nothing in memory waits, so it is done at once.
                let _ = self.world.log.append(table, &head, append).now_or_never();
            }
        }
        let mut state = self.world.state();
        state.processes[process].frozen = false;
        state.blame(process, kind);
    }

    fn lose_power(&mut self) {
        let kinds = [Kind::PowerKept, Kind::PowerDropped, Kind::PowerTorn, Kind::PowerTruncated];
        let which = self.world.state().dice.below(4) as usize;
        if !self.world.state().strikes(kinds[which], 1) {
            return;
        }
        self.world.state().note(|| kinds[which].word().to_owned());
        for process in 0..PROCESSES {
            self.end(process, kinds[which]);
        }
    }

    fn rebalance(&self) {
        let mut state = self.world.state();
        for process in &mut state.processes {
            process.assigned.clear();
            process.generation += 1;
        }
        for partition in 0..PARTITIONS {
            let to = state.dice.below(PROCESSES as u64) as usize;
            state.processes[to].assigned.push((TOPIC.to_owned(), partition));
        }
        for process in 0..PROCESSES {
            state.blame(process, Kind::Rebalance);
        }
        let given: Vec<Vec<Partition>> = state.processes.iter().map(|process| process.assigned.clone()).collect();
        state.note(|| format!("partitions: {given:?}"));
    }

    /// Somebody deletes the topic and makes it again. Members of the group are told by a rebalance.
    fn recreate(&self) {
        let consumed = checks::offsets(&self.world).values().sum::<i64>();
        let all = consumed >= CONSUMED_MIN && checks::offsets(&self.world).len() == PARTITIONS as usize;
        if !all || self.world.state().recreated || !self.world.state().strikes(Kind::TopicRecreated, 1) {
            return;
        }
        self.world.state().recreated = true;
        self.world.feeds.recreate(TOPIC);
        self.rebalance();
    }

    fn heal(&mut self) {
        {
            let mut state = self.world.state();
            state.is_rough = false;
            for process in &mut state.processes {
                (process.frozen, process.off) = (false, 0);
            }
            // Past every day on which somebody fell ill, some runs over and some going on.
            let last = Day::parse(FIRST_DAY).unwrap().plus(DAYS as i32);
            state.now = state.now.max(last.at_minute(60));
            state.note(|| "healed".to_owned());
        }
        for process in 0..PROCESSES {
            if self.lives[process].is_empty() {
                self.start(process);
            }
        }
    }

    /// Goes on until everything was done and nothing more happens.
    async fn come_to_rest(&mut self) -> Result<(), String> {
        let from = self.turns;
        let mut quiet = 0;
        while quiet < QUIET_TURNS {
            if self.turns - from > HEALED_TURNS_MAX {
                return Err(format!("not at rest {HEALED_TURNS_MAX} turns after healing"));
            }
            let before = checks::stand(&self.world);
            self.world.state().now += MICROS_PER_SECOND / 20;
            self.go_on().await?;
            quiet = match checks::stand(&self.world) == before && checks::is_drained(&self.world) {
                true => quiet + 1,
                false => 0,
            };
        }
        Ok(())
    }

    /// One turn of one role.
    async fn go_on(&mut self) -> Result<(), String> {
        self.turns += 1;
        let able: Vec<(usize, usize)> = {
            let state = self.world.state();
            let awake = (0..PROCESSES).filter(|process| !state.processes[*process].frozen);
            awake.flat_map(|process| (0..self.lives[process].len()).map(move |role| (process, role))).collect()
        };
        if able.is_empty() {
            return Ok(());
        }
        let (process, role) = able[self.world.state().dice.below(able.len() as u64) as usize];
        let Some(future) = self.lives[process][role].as_mut() else { return Ok(()) };
        let world = self.world.clone();
        let ended = poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            // It waits for its turn, which we give; or for something of the engine's, which the runtime gives.
            Poll::Pending if world.state().take_parked() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        match ended.await {
            None => Ok(()),
            Some(ended) => self.ended(process, ended.err()),
        }
    }

    /// A role has ended, and its process with it; the service manager will start it again.
    fn ended(&mut self, process: usize, problem: Option<Box<Problem>>) -> Result<(), String> {
        let Some(problem) = problem else { return Ok(()) };
        let mut state = self.world.state();
        state.note(|| format!("process {process} ends: {problem}"));
        if !state.is_rough {
            return Err(format!("a process ended although nothing was wrong: {problem}"));
        }
        state.forced(process, "restart");
        drop(state);
        self.end(process, Kind::Crash);
        self.world.state().processes[process].blamed = None;
        Ok(())
    }
}
