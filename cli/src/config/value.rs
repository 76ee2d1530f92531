//! Option values: text from the command line, or whatever YAML and JSON make of them.

use serde_json::Value;

use crate::duration::Span;

/// The form an option's value must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int,
    Duration,
    /// A switch, or the period that goes with it.
    BoolOrDuration,
    Text,
    /// A list, or text with commas.
    Texts,
    /// Names and their values.
    Map,
    Any,
}

impl Kind {
    pub fn accepts(self, value: &Value) -> bool {
        match self {
            Self::Bool => to_bool(value).is_some(),
            Self::Int => to_int(value).is_some(),
            Self::Duration => to_span(value).is_some(),
            Self::BoolOrDuration => to_bool(value).is_some() || to_span(value).is_some(),
            Self::Text => to_text(value).is_some(),
            Self::Texts => to_text(value).is_some() || value.is_array(),
            Self::Map => value
                .as_object()
                .is_some_and(|map| map.values().all(|value| to_text(value).is_some())),
            Self::Any => true,
        }
    }

    pub fn expected(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Int => "an integer",
            Self::Duration => "a duration such as 15s",
            Self::BoolOrDuration => "true, false or a duration such as 15s",
            Self::Text => "text",
            Self::Texts => "a list of words",
            Self::Map => "a map of names and values",
            Self::Any => "a value",
        }
    }
}

pub fn to_bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::Number(number) => Some(number.as_f64()? != 0.0),
        Value::String(text) => parse_bool(text),
        _ => None,
    }
}

/// Go's `strconv.ParseBool`.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

pub fn to_int(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(value) => Some(i64::from(*value)),
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64()?;
            (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
        }),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A bare number is seconds, as in gost's options.
pub fn to_span(value: &Value) -> Option<Span> {
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(seconds) => Some(Span::seconds(seconds)),
            None => Some(Span((number.as_f64()? * 1e9) as i64)),
        },
        Value::String(text) => Span::parse_lax(text),
        _ => None,
    }
}

pub fn to_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// A list, or text with commas; blanks around the words do not count.
pub fn to_texts(value: &Value) -> Vec<String> {
    let list = match value {
        Value::Array(list) => list.iter().filter_map(to_text).collect(),
        one => to_text(one).map_or_else(Vec::new, |text| {
            text.split(',').map(str::to_owned).collect::<Vec<_>>()
        }),
    };
    let words = list.iter().map(|word| word.trim().to_owned());
    words.filter(|word| !word.is_empty()).collect()
}

/// The value as a message shows it.
pub fn describe(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
    }
}
