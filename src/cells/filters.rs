//! What a query's filters leave of units and signals, so that nothing else is counted.
//!
//! Promises: reads equalities with texts and lists of them; what it cannot read narrows nothing.

use std::collections::BTreeSet;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Operator};

use super::count::Wanted;

/// The unit kinds and signals that `filters` leave.
pub fn wanted(filters: &[Expr]) -> Wanted {
    let mut wanted = Wanted::default();
    for filter in filters {
        if let Some((column, values)) = equals(filter) {
            let slot = match column.as_str() {
                "unit_kind" => &mut wanted.unit_kinds,
                "signal" => &mut wanted.signals,
                _ => continue,
            };
            *slot = Some(match slot.take() {
                Some(before) => before.intersection(&values).cloned().collect(),
                None => values,
            });
        }
    }
    wanted
}

/// Reads `column = 'text'`, `column IN (…)` and ORs of these on one column.
fn equals(filter: &Expr) -> Option<(String, BTreeSet<String>)> {
    match filter {
        Expr::BinaryExpr(binary) if binary.op == Operator::Eq => {
            let (column, value) = match (&*binary.left, &*binary.right) {
                (Expr::Column(column), value) | (value, Expr::Column(column)) => (column, value),
                _ => return None,
            };
            Some((column.name.clone(), BTreeSet::from([literal(value)?])))
        }
        Expr::BinaryExpr(binary) if binary.op == Operator::Or => {
            let (left, right) = (equals(&binary.left)?, equals(&binary.right)?);
            (left.0 == right.0).then(|| (left.0, left.1.union(&right.1).cloned().collect()))
        }
        Expr::InList(list) if !list.negated => {
            let Expr::Column(column) = &*list.expr else { return None };
            let values: Option<BTreeSet<String>> = list.list.iter().map(literal).collect();
            Some((column.name.clone(), values?))
        }
        _ => None,
    }
}

fn literal(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _)
        | Expr::Literal(ScalarValue::Utf8View(Some(text)), _)
        | Expr::Literal(ScalarValue::LargeUtf8(Some(text)), _) => Some(text.clone()),
        _ => None,
    }
}
