//! A tenant's file as JSON: the same keys, so that there is one model.

use crate::config::Faults;
use serde_json::Value as Json;
use toml::{Table, Value};

/// The object as TOML. `null` stands for what is not written.
///
/// # Errors
/// Where it is no JSON object, or holds what TOML has no word for.
pub(super) fn table(text: &[u8]) -> Result<Table, Faults> {
    let object = match serde_json::from_slice::<Json>(text) {
        Ok(Json::Object(object)) => object,
        Ok(_) => return Err(Faults::one("json", "expected an object")),
        // Its own words may repeat what is written, which may be personal.
        Err(error) => return Err(Faults::one("json", format_args!("line {}, column {}", error.line(), error.column()))),
    };
    let mut faults = Faults::default();
    let table = fields(object, "", &mut faults);
    faults.or(table)
}

fn fields(object: serde_json::Map<String, Json>, path: &str, faults: &mut Faults) -> Table {
    let field = |(key, value): (String, Json)| {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        Some((key, written(value, &path, faults)?))
    };
    object.into_iter().filter_map(field).collect()
}

fn written(value: Json, path: &str, faults: &mut Faults) -> Option<Value> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(flag) => Value::Boolean(flag),
        Json::String(text) => Value::String(text),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::Integer(whole),
            (None, Some(real)) if !number.is_u64() => Value::Float(real),
            _ => {
                faults.add(path, "is too large a number");
                return None;
            }
        },
        Json::Array(list) => {
            let mut values = Vec::with_capacity(list.len());
            for (at, value) in list.into_iter().enumerate() {
                let path = format!("{path}[{at}]");
                if value.is_null() {
                    faults.add(&path, "is null");
                }
                values.extend(written(value, &path, faults));
            }
            Value::Array(values)
        }
        Json::Object(object) => Value::Table(fields(object, path, faults)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_what_toml_says() {
        let json = br#"{"a":{"b":[1,2.5,true,"x",{"c":-3}],"none":null},"d":[]}"#;
        let toml: Table = "d = []\n[a]\nb = [1, 2.5, true, 'x', { c = -3 }]".parse().unwrap();
        assert_eq!(table(json).unwrap(), toml);
    }

    #[test]
    fn what_toml_cannot_say_is_a_fault_with_its_path_and_never_repeated() {
        let told = |text: &str| table(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(told(r#"{"a":[{"b":18446744073709551615}, null]}"#), "a[0].b: is too large a number\na[1]: is null");
        assert_eq!(told("[]"), "json: expected an object");
        assert_eq!(told("{\"secret\n"), "json: line 2, column 0");
        assert_eq!(told(""), "json: line 1, column 0");
    }
}
