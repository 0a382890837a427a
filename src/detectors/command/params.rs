//! `--param NAME=VALUE`, in the spelling of the reference or in ours.
//!
//! Promises: a name that no method asked for is refused with those that it knows; a value that does not fit says what would.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// What was given, and what the method asked for.
pub struct Params {
    given: BTreeMap<String, String>,
    asked: RefCell<Vec<Asked>>,
}

/// One parameter as its method asks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Our spelling first, then the reference's.
    pub names: Vec<String>,
    /// What may stand there.
    pub kind: String,
    /// Empty where it follows from something else.
    pub default: String,
}

impl Params {
    /// Reads `NAME=VALUE` pairs.
    pub fn parse<S: AsRef<str>>(pairs: &[S]) -> Result<Self, String> {
        let mut given = BTreeMap::new();
        for pair in pairs {
            let (name, value) =
                pair.as_ref().split_once('=').ok_or_else(|| format!("{}: write NAME=VALUE", pair.as_ref()))?;
            if given.insert(name.trim().to_owned(), value.trim().to_owned()).is_some() {
                return Err(format!("{name} is given twice"));
            }
        }
        Ok(Self { given, asked: RefCell::default() })
    }

    /// What was asked for so far, in that order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.borrow().clone()
    }

    fn ask(&self, names: &[&str], kind: &str, default: impl ToString) -> Result<Option<(&str, &str)>, String> {
        let names_owned: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let asked = Asked { names: names_owned, kind: kind.to_owned(), default: default.to_string() };
        if !self.asked.borrow().iter().any(|known| known.names == asked.names) {
            self.asked.borrow_mut().push(asked);
        }
        self.find(names)
    }

    /// What is given under one of `names`, our spelling first; two spellings of one thing are one too many.
    fn find(&self, names: &[&str]) -> Result<Option<(&str, &str)>, String> {
        let mut found = names.iter().filter_map(|name| self.given.get_key_value(*name));
        let first = found.next();
        match (first, found.next()) {
            (Some((one, _)), Some((other, _))) => Err(format!("{one} and {other} are the same: give one of them")),
            (Some((name, value)), None) => Ok(Some((name, value))),
            (None, _) => Ok(None),
        }
    }

    /// A number; `2/3` is one.
    pub fn number(&self, names: &[&str], default: f64) -> Result<f64, String> {
        let Some((name, text)) = self.ask(names, "number", default)? else { return Ok(default) };
        number(text).ok_or_else(|| format!("{name}={text}: a number is asked for"))
    }

    /// A number, or `None` for `NULL`.
    pub fn number_or_null(&self, names: &[&str], default: Option<f64>) -> Result<Option<f64>, String> {
        let shown = default.map_or_else(|| "NULL".to_owned(), |value| value.to_string());
        let Some((name, text)) = self.ask(names, "number or NULL", shown)? else { return Ok(default) };
        if text == "NULL" {
            return Ok(None);
        }
        number(text).map(Some).ok_or_else(|| format!("{name}={text}: a number or NULL is asked for"))
    }

    /// A whole number from 0 on.
    pub fn count(&self, names: &[&str], default: usize) -> Result<usize, String> {
        let Some((name, text)) = self.ask(names, "whole number", default)? else { return Ok(default) };
        let whole = number(text).filter(|value| value.fract() == 0.0 && (0.0..1e9).contains(value));
        whole.map(|value| value as usize).ok_or_else(|| format!("{name}={text}: a whole number from 0 on is asked for"))
    }

    /// A whole number from 0 on, or `None` for `NULL`.
    pub fn count_or_null(&self, names: &[&str]) -> Result<Option<usize>, String> {
        let Some((name, text)) = self.ask(names, "whole number or NULL", "NULL")? else { return Ok(None) };
        if text == "NULL" {
            return Ok(None);
        }
        let whole = number(text).filter(|value| value.fract() == 0.0 && (0.0..1e9).contains(value));
        whole
            .map(|value| Some(value as usize))
            .ok_or_else(|| format!("{name}={text}: a whole number from 0 on or NULL is asked for"))
    }

    /// A whole number that may be negative.
    pub fn integer(&self, names: &[&str], default: i64) -> Result<i64, String> {
        let Some((name, text)) = self.ask(names, "whole number", default)? else { return Ok(default) };
        let whole = number(text).filter(|value| value.fract() == 0.0 && value.abs() < 1e9);
        whole.map(|value| value as i64).ok_or_else(|| format!("{name}={text}: a whole number is asked for"))
    }

    /// The first t that is monitored, from 1; `default` is 0-based, as is the answer.
    pub fn range_start(&self, default: usize) -> Result<usize, String> {
        let Some((name, text)) = self.ask(&["range_start"], "whole number from 1", "")? else { return Ok(default) };
        let whole = number(text).filter(|value| value.fract() == 0.0 && (1.0..1e9).contains(value));
        whole
            .map(|value| value as usize - 1)
            .ok_or_else(|| format!("{name}={text}: a whole number from 1 on is asked for"))
    }

    /// `TRUE` or `FALSE`, however written.
    pub fn truth(&self, names: &[&str], default: bool) -> Result<bool, String> {
        let shown = if default { "TRUE" } else { "FALSE" };
        let Some((name, text)) = self.ask(names, "TRUE or FALSE", shown)? else { return Ok(default) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" => Ok(true),
            "false" | "f" | "0" => Ok(false),
            _ => Err(format!("{name}={text}: TRUE or FALSE is asked for")),
        }
    }

    /// One of `words`, each with what it means; the first means nothing given.
    pub fn word<T: Copy>(&self, names: &[&str], words: &[(&str, T)]) -> Result<T, String> {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let default = known.first().copied().unwrap_or_default();
        let found = self.ask(names, &known.join(", "), default)?;
        let (name, text) = found.unwrap_or((names.first().copied().unwrap_or_default(), default));
        let text = text.trim_matches('"');
        let meant = words.iter().find(|(word, _)| *word == text);
        meant
            .map(|(_, meaning)| *meaning)
            .ok_or_else(|| format!("{name}={text}: one of {} is asked for", known.join(", ")))
    }

    /// Numbers separated by commas, `c(…)` around them or not; `None` where nothing or `NULL` is given.
    pub fn vector(&self, names: &[&str], kind: &str, default: &str) -> Result<Option<Vec<f64>>, String> {
        let found = self.ask(names, kind, default)?;
        let Some((name, text)) = found.filter(|(_, text)| *text != "NULL") else { return Ok(None) };
        let inner = text.strip_prefix("c(").and_then(|rest| rest.strip_suffix(')')).unwrap_or(text);
        let numbers: Option<Vec<f64>> = inner.split(',').map(|part| number(part.trim())).collect();
        numbers.map(Some).ok_or_else(|| format!("{name}={text}: {kind} is asked for"))
    }

    /// Whether `word` is given where a vector might be.
    pub fn is(&self, names: &[&str], word: &str, kind: &str, default: &str) -> Result<bool, String> {
        Ok(self.ask(names, kind, default)?.is_some_and(|(_, text)| text.trim_matches('"') == word))
    }

    /// Refuses what nobody asked for.
    pub fn finish(&self, method: &str) -> Result<(), String> {
        let asked = self.asked.borrow();
        let known: BTreeSet<&str> = asked.iter().flat_map(|asked| &asked.names).map(String::as_str).collect();
        match self.given.keys().find(|name| !known.contains(name.as_str())) {
            Some(name) => {
                let known: Vec<&str> = known.into_iter().collect();
                Err(format!("{method} has no parameter {name}; there are: {}", known.join(", ")))
            }
            None => Ok(()),
        }
    }
}

fn number(text: &str) -> Option<f64> {
    match text.split_once('/') {
        Some((above, below)) => {
            let (above, below): (f64, f64) = (above.trim().parse().ok()?, below.trim().parse().ok()?);
            (below != 0.0).then(|| above / below)
        }
        None => match text {
            "Inf" => Some(f64::INFINITY),
            "-Inf" => Some(f64::NEG_INFINITY),
            text => text.parse().ok().filter(|value: &f64| value.is_finite()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_the_reference_and_of_ours_are_read() {
        let params =
            Params::parse(&["minSigma=0.5", "powertrans=2/3", "alpha=NULL", "mu0=1,2.5", "trend=TRUE"]).unwrap();
        assert_eq!(params.number(&["min_sigma", "minSigma"], 0.0), Ok(0.5));
        assert_eq!(params.number(&["power", "powertrans"], 1.0), Ok(2.0 / 3.0));
        assert_eq!(params.number_or_null(&["alpha"], Some(1.0)), Ok(None));
        assert_eq!(params.vector(&["mu0"], "numbers", ""), Ok(Some(vec![1.0, 2.5])));
        assert_eq!(params.truth(&["trend"], false), Ok(true));
        assert_eq!(params.count(&["b"], 5), Ok(5));
        assert_eq!(params.finish("m"), Ok(()));
    }

    #[test]
    fn what_does_not_fit_says_what_would() {
        let params = Params::parse(&["b=1.5", "mehtod=C1", "w=3", "window=4", "trend=maybe"]).unwrap();
        assert!(params.count(&["b"], 5).unwrap_err().contains("b=1.5: a whole number"));
        assert!(params.count(&["window", "w"], 3).unwrap_err().contains("are the same"));
        assert!(params.truth(&["trend"], false).unwrap_err().contains("TRUE or FALSE"));
        let unknown = params.finish("ears_c1").unwrap_err();
        assert!(unknown.contains("no parameter mehtod") && unknown.contains("window"), "{unknown}");
        assert!(Params::parse(&["b"]).is_err_and(|told| told.contains("NAME=VALUE")));
        assert!(Params::parse(&["b=1", "b=2"]).is_err_and(|told| told.contains("twice")));
    }
}
