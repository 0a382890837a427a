//! Points that do something: by the environment for a process, by a task's own plan for a test beside others.
//!
//! Promises: a plan acts once, at its hit, and says so in the log first. A test's plans reach no other test.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::POINTS;
use crate::problem::{Problem, Result, codes};

const ENVIRONMENT: &str = "QIANSHAO_FAULT";
const CLOCK: &str = "QIANSHAO_CLOCK";
/// Long enough to let a session's heartbeat, an epoch and a tick pass by.
const SLEEP: Duration = Duration::from_secs(2);
/// A signal arrives later than it was sent: what ended before would let us do one more step.
const FREEZE: &str = "kill -STOP $1 && while grep -q '^State:.[^TZ]' /proc/$1/status; do sleep 0.01; done";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Abort,
    Error,
    Stop,
    Sleep,
    /// Within a test's process: the future that came here never goes on.
    Never,
}

/// What happens where, at which hit.
#[derive(Debug)]
struct Plan {
    point: String,
    hit: u32,
    action: Action,
    hits: AtomicU32,
}

static OF_THE_PROCESS: OnceLock<Vec<Plan>> = OnceLock::new();

tokio::task_local! {
    static OF_THE_TASK: Crashes;
}

impl Plan {
    fn new(point: &str, hit: u32, action: Action) -> Self {
        Self { point: point.to_owned(), hit, action, hits: AtomicU32::new(0) }
    }

    /// `store::log_put_before:3:abort`
    fn parse(text: &str) -> Result<Self> {
        let wrong = |help: String| Problem::new(codes::ARGUMENT, ENVIRONMENT, text).help(help);
        let mut parts = text.rsplitn(3, ':');
        let (action, hit, point) = (parts.next(), parts.next(), parts.next());
        let action = match action {
            Some("abort") => Action::Abort,
            Some("error") => Action::Error,
            Some("stop") => Action::Stop,
            Some("sleep") => Action::Sleep,
            Some(_) | None => return Err(wrong("point:hit:action, the action abort, error, stop or sleep".to_owned())),
        };
        let hit = hit.and_then(|hit| hit.parse().ok()).filter(|hit| *hit > 0);
        let hit = hit.ok_or_else(|| wrong("point:hit:action, the hit 1 or more".to_owned()))?;
        let point = point.filter(|point| POINTS.contains(point));
        Ok(Self::new(point.ok_or_else(|| wrong(format!("a point is one of {}", POINTS.join(", "))))?, hit, action))
    }

    /// What to do now that `point` was reached.
    fn due(&self, point: &str) -> Option<Action> {
        let is_due = self.point == point && self.hits.fetch_add(1, Ordering::SeqCst) + 1 == self.hit;
        is_due.then(|| {
            tracing::warn!(point, hit = self.hit, action = ?self.action, "a planned fault");
            self.action
        })
    }
}

/// Takes the plans of the environment.
pub fn arm_from_environment() -> Result<()> {
    let text = std::env::var(ENVIRONMENT).unwrap_or_default();
    let plans = text.split(',').filter(|plan| !plan.is_empty()).map(Plan::parse).collect::<Result<_>>()?;
    // Armed twice in one process: the first counts.
    let _ = OF_THE_PROCESS.set(plans);
    Ok(())
}

/// How a run under [`Crashes`] ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended<T> {
    /// It came to no point's hit.
    Whole(T),
    /// It was dropped there, as a crash drops it.
    Crashed,
}

/// Points at which a test's runs are dropped, each once; hits count over all runs.
///
/// What a run has handed to other threads goes on, as the disk and the network do after a crash. Points on threads of
/// their own are not seen.
#[derive(Clone, Debug)]
pub struct Crashes(Arc<Planned>);

#[derive(Debug)]
struct Planned {
    plans: Vec<Plan>,
    /// Where runs were dropped, in order.
    fallen: Mutex<Vec<String>>,
    reached: Notify,
}

impl Crashes {
    /// At the `hit`-th time, from 1, that a run reaches a point.
    pub fn at<'a>(points: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let plans = points.into_iter().map(|(point, hit)| Plan::new(point, hit, Action::Never)).collect();
        Self(Arc::new(Planned { plans, fallen: Mutex::default(), reached: Notify::new() }))
    }

    /// Runs a future until it reaches one of the points, and drops it there.
    pub async fn run<T>(&self, run: impl Future<Output = T>) -> Ended<T> {
        OF_THE_TASK
            .scope(self.clone(), async {
                tokio::select! {
                    biased;
                    () = self.0.reached.notified() => Ended::Crashed,
                    whole = run => Ended::Whole(whole),
                }
            })
            .await
    }

    /// Where runs were dropped so far, in order.
    pub fn fallen(&self) -> Vec<String> {
        self.0.fallen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a run is still to be dropped there.
    pub fn awaits(&self, point: &str) -> bool {
        let mut planned = self.0.plans.iter().filter(|plan| plan.point == point);
        planned.any(|plan| plan.hits.load(Ordering::SeqCst) < plan.hit)
    }

    /// Whether the run that came to `point` ends here. Every plan counts its hits, so all are asked.
    fn ends(&self, point: &str) -> bool {
        let is_due = self.0.plans.iter().filter(|plan| plan.due(point).is_some()).count() > 0;
        if is_due {
            self.0.fallen.lock().unwrap_or_else(PoisonError::into_inner).push(point.to_owned());
            self.0.reached.notify_one();
        }
        is_due
    }
}

/// A point in code that may wait.
pub async fn reached(point: &str) -> Result<()> {
    if OF_THE_TASK.try_with(|crashes| crashes.ends(point)) == Ok(true) {
        std::future::pending::<()>().await;
    }
    match of_the_process(point) {
        Some(Action::Sleep) => tokio::time::sleep(SLEEP).await,
        Some(action) => return act(point, action),
        None => {}
    }
    Ok(())
}

/// A point on a thread of its own.
pub fn reached_on_thread(point: &str) -> Result<()> {
    of_the_process(point).map_or(Ok(()), |action| act(point, action))
}

/// By how many microseconds the machine's clock is wrong: what a file says now, so that it can jump while we run.
pub fn clock_jump() -> i64 {
    let Some(file) = std::env::var_os(CLOCK) else { return 0 };
    let seconds = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<i64>().ok());
    seconds.unwrap_or(0) * 1_000_000
}

fn of_the_process(point: &str) -> Option<Action> {
    // Every plan counts its hits, so all are asked.
    let due: Vec<Action> = OF_THE_PROCESS.get()?.iter().filter_map(|plan| plan.due(point)).collect();
    due.first().copied()
}

fn act(point: &str, action: Action) -> Result<()> {
    match action {
        Action::Abort => std::process::abort(),
        Action::Error => return Err(Problem::new(codes::IO, point, "a planned fault")),
        Action::Stop => {
            let own = std::process::id().to_string();
            // Nothing of ours may name a signal without `unsafe`, so a program that may is asked; it ends only when we stand.
            let stopped = std::process::Command::new("sh").args(["-c", FREEZE, "freeze", &own]).status();
            tracing::warn!(point, ?stopped, "goes on after the freeze");
        }
        Action::Sleep => std::thread::sleep(SLEEP),
        Action::Never => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn three_steps() -> Result<u32> {
        for _ in 0..3 {
            reached("detect::counted").await?;
        }
        Ok(3)
    }

    #[tokio::test]
    async fn a_run_is_dropped_at_each_hit_that_was_planned_and_no_other() {
        let crashes = Crashes::at([("detect::counted", 2), ("detect::counted", 5), ("detect::evaluated", 1)]);
        assert_eq!(crashes.run(three_steps()).await, Ended::Crashed, "the second");
        assert_eq!(three_steps().await, Ok(3), "a plan ends with its run");
        assert_eq!(crashes.run(three_steps()).await, Ended::Crashed, "the fifth");
        assert_eq!(crashes.run(three_steps()).await, Ended::Whole(Ok(3)));
        assert_eq!(crashes.fallen(), ["detect::counted", "detect::counted"]);
        assert!(crashes.awaits("detect::evaluated") && !crashes.awaits("detect::counted"));
    }

    #[test]
    fn a_plan_that_names_no_point_no_hit_or_no_action_is_refused() {
        let plan = Plan::parse("store::log_put_before:3:abort").unwrap();
        assert_eq!((&plan.point[..], plan.hit, plan.action), ("store::log_put_before", 3, Action::Abort));
        for wrong in ["store::log_put:3:abort", "consume::polled:0:abort", "consume::polled:1:halt", "abort"] {
            assert_eq!(Plan::parse(wrong).unwrap_err().code, codes::ARGUMENT, "{wrong}");
        }
    }
}
