//! `cells`, `signals` and `expected_reports` for people: counted when a statement reads one of them, once a
//! snapshot, from what the snapshot before had counted already.
//!
//! Promises: a statement that reads none of them costs nothing; all of a snapshot show the same moment.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result as Answer};
use datafusion::datasource::TableType;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use tokio::sync::OnceCell;

use crate::cells::count::Wanted;
use crate::cells::filters::wanted;
use crate::cells::moment::Moment;
use crate::cells::tables::{Counted, Shown, View, schema};
use crate::delta::log::Log;
use crate::engine::Scan;
use crate::problem::Result;
use crate::terms::Day;

/// Days that people see: a year and the weeks around its turn, so that this winter can be laid beside the last.
const DAYS_SHOWN: i32 = 400;

/// The counted state of one snapshot, counted when it is first needed.
pub struct Recount {
    log: Arc<dyn Log>,
    /// Signals known by here count.
    until: i64,
    /// What is due is judged here.
    now: i64,
    earlier: Mutex<Option<Arc<Moment>>>,
    shown: OnceCell<Arc<Shown>>,
}

impl Recount {
    /// `earlier` is a moment of the same log, not later than `until`, to go on from.
    pub fn new(log: Arc<dyn Log>, until: i64, now: i64, earlier: Option<Arc<Moment>>) -> Arc<Self> {
        Arc::new(Self { log, until, now, earlier: Mutex::new(earlier), shown: OnceCell::new() })
    }

    /// The newest moment that is already counted, for the snapshot that follows.
    pub fn counted(&self) -> Option<Arc<Moment>> {
        match self.shown.get() {
            Some(shown) => Some(shown.moment.clone()),
            None => self.earlier.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    pub async fn shown(&self) -> Result<Arc<Shown>> {
        self.shown.get_or_try_init(|| self.count()).await.cloned()
    }

    async fn count(&self) -> Result<Arc<Shown>> {
        let earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let moment = match earlier {
            Some(earlier) => {
                let mut moment = (*earlier).clone();
                moment.renew(&*self.log, self.until).await?;
                moment.advance(&*self.log, self.until).await?;
                moment
            }
            None => Moment::as_of(&*self.log, self.until).await?,
        };
        *self.earlier.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let today = Day::of_micros(self.now);
        // Before the first day that anybody spoke of, everybody would be missing.
        let first = moment.records.first_day().unwrap_or(today);
        Ok(Shown::with_old_signals(Arc::new(moment), first.max(today.plus(-DAYS_SHOWN)).min(today), today, self.now))
    }
}

/// One of the counted tables.
pub struct Recounted {
    recount: Arc<Recount>,
    view: View,
}

impl Recounted {
    pub fn new(recount: Arc<Recount>, view: View) -> Arc<Self> {
        Arc::new(Self { recount, view })
    }

    fn read(&self, projection: Option<Vec<usize>>, wanted: Wanted) -> Scan<'_> {
        Box::pin(async move {
            let shown = self.recount.shown().await.map_err(|problem| DataFusionError::External(problem))?;
            Counted::new(shown, self.view).read(projection, wanted)
        })
    }
}

impl fmt::Debug for Recounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} until {}", self.view, self.recount.until)
    }
}

impl TableProvider for Recounted {
    fn schema(&self) -> SchemaRef {
        schema(self.view)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Answer<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn scan<'a, 'b, 'c, 'd, 'e>(
        &'a self,
        _state: &'b dyn Session,
        projection: Option<&'c Vec<usize>>,
        filters: &'d [Expr],
        _limit: Option<usize>,
    ) -> Scan<'e>
    where
        'a: 'e,
        'b: 'e,
        'c: 'e,
        'd: 'e,
        Self: 'e,
    {
        self.read(projection.cloned(), wanted(filters))
    }
}
