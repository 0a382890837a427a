//! Our scalar SQL functions: the tick, parameters, local dates, area codes, syndromes.
//!
//! Promises: `now()` is the tick, never the wall clock; a code or facility that no register knows gives null.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow::array::{ArrayRef, AsArray, Date32Array, Float64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, TimestampMicrosecondType};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

use crate::delta::registers::Registers;
use crate::delta::tables::{UTC, time_type};
use crate::terms::Day;

/// What a person may call, for the table `functions`.
pub const FUNCTIONS: &[(&str, &str, &str)] = &[
    ("now()", "the tick at which a rule is evaluated", "评估时刻"),
    ("param('name')", "a parameter of the pack in force", "当前规则包的参数"),
    ("local_date(time)", "the date at +08:00", "东八区日期"),
    ("area_of(facility_id)", "today's area code of a facility; null if no register knows it", "机构所在地区"),
    ("area_at(code, date)", "today's code of an area that was called code on date", "历史地区代码对应的现行代码"),
    ("syndrome_of(symptom)", "the syndrome that a symptom belongs to", "症状所属症候群"),
];

/// What `now()` answers, microseconds UTC.
pub enum Now {
    Fixed(i64),
    /// Read at each run of a plan that is kept.
    Kept(Arc<AtomicI64>),
}

impl From<i64> for Now {
    fn from(tick: i64) -> Self {
        Self::Fixed(tick)
    }
}

/// Makes the functions known to a session.
pub fn register(
    context: &SessionContext,
    registers: &Arc<Registers>,
    parameters: &BTreeMap<String, f64>,
    tick: impl Into<Now>,
) {
    context.register_udf(now(tick.into()));
    context.register_udf(param(parameters.clone()));
    context.register_udf(local_date());
    let known = registers.clone();
    context.register_udf(lookup("area_of", move |facility| known.area_of(facility).map(str::to_owned)));
    let known = registers.clone();
    context.register_udf(lookup("syndrome_of", move |symptom| known.symptoms.get(symptom).cloned()));
    context.register_udf(area_at(registers.clone()));
}

fn now(tick: Now) -> ScalarUDF {
    // The planner folds what is stable into the plan, so that a kept plan would remember its first tick.
    let volatility = match tick {
        Now::Fixed(_) => Volatility::Stable,
        Now::Kept(_) => Volatility::Volatile,
    };
    let answer = move |_: &[ColumnarValue]| {
        let micros = match &tick {
            Now::Fixed(micros) => *micros,
            Now::Kept(micros) => micros.load(Ordering::Relaxed),
        };
        Ok(ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(Some(micros), Some(UTC.into()))))
    };
    create_udf("now", vec![], time_type(), volatility, Arc::new(answer))
}

fn param(parameters: BTreeMap<String, f64>) -> ScalarUDF {
    let function = move |arguments: &[ColumnarValue]| {
        let names = text_argument(arguments, 0)?;
        let values = names.as_string::<i32>().iter().map(|name| {
            let name = name.unwrap_or_default();
            parameters.get(name).copied().map(Some).ok_or_else(|| {
                DataFusionError::Execution(format!("no parameter {name} in the pack: name it in pack.toml"))
            })
        });
        answer(arguments, Arc::new(values.collect::<Result<Float64Array>>()?))
    };
    create_udf("param", vec![DataType::Utf8], DataType::Float64, Volatility::Immutable, Arc::new(function))
}

fn local_date() -> ScalarUDF {
    let function = |arguments: &[ColumnarValue]| {
        let times = argument(arguments, 0)?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let dates: Date32Array = times.iter().map(|at| at.map(|at| Day::of_micros(at).0)).collect();
        answer(arguments, Arc::new(dates))
    };
    create_udf("local_date", vec![time_type()], DataType::Date32, Volatility::Immutable, Arc::new(function))
}

fn lookup(name: &str, find: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> ScalarUDF {
    let function = move |arguments: &[ColumnarValue]| {
        let keys = text_argument(arguments, 0)?;
        let found: StringArray = keys.as_string::<i32>().iter().map(|key| find(key?)).collect();
        answer(arguments, Arc::new(found))
    };
    create_udf(name, vec![DataType::Utf8], DataType::Utf8, Volatility::Stable, Arc::new(function))
}

fn area_at(registers: Arc<Registers>) -> ScalarUDF {
    let function = move |arguments: &[ColumnarValue]| {
        let rows = arguments.iter().find_map(|argument| match argument {
            ColumnarValue::Array(array) => Some(array.len()),
            ColumnarValue::Scalar(_) => None,
        });
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let codes = cast(&arrays[0], &DataType::Utf8)?;
        let days = arrays[1].as_primitive::<Date32Type>();
        let found: StringArray = codes
            .as_string::<i32>()
            .iter()
            .zip(days.iter())
            .map(|(code, day)| registers.area_at(code?, Day(day?)).map(str::to_owned))
            .collect();
        let found: ArrayRef = Arc::new(found);
        match rows {
            Some(_) => Ok(ColumnarValue::Array(found)),
            None => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&found, 0)?)),
        }
    };
    create_udf(
        "area_at",
        vec![DataType::Utf8, DataType::Date32],
        DataType::Utf8,
        Volatility::Stable,
        Arc::new(function),
    )
}

fn argument(arguments: &[ColumnarValue], at: usize) -> Result<ArrayRef> {
    match arguments.get(at) {
        Some(ColumnarValue::Array(array)) => Ok(array.clone()),
        Some(ColumnarValue::Scalar(scalar)) => scalar.to_array(),
        None => Err(DataFusionError::Execution("an argument is missing".to_owned())),
    }
}

fn text_argument(arguments: &[ColumnarValue], at: usize) -> Result<ArrayRef> {
    Ok(cast(&argument(arguments, at)?, &DataType::Utf8)?)
}

/// A scalar for a scalar, an array for an array.
fn answer(arguments: &[ColumnarValue], values: ArrayRef) -> Result<ColumnarValue> {
    match arguments.first() {
        Some(ColumnarValue::Scalar(_)) => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?)),
        Some(ColumnarValue::Array(_)) | None => Ok(ColumnarValue::Array(values)),
    }
}
