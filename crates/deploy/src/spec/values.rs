//! The values of a spec file that can be written in several ways: settings, ports, amounts, and where secrets come from.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, de::Visitor};

use super::{SpecError, absolute};

/// The value of a directive; a list stands for a directive that is given several times.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SettingValue {
    /// `yes` and `no`.
    Switch(bool),
    /// A number.
    Number(i64),
    /// Anything else.
    Text(String),
    /// Several lines of one directive (`save`, `client-output-buffer-limit`).
    Lines(Vec<SettingValue>),
}

impl SettingValue {
    /// The lines of redis.conf this stands for, without the directive's name.
    pub(super) fn lines(&self) -> Vec<String> {
        match self {
            Self::Switch(on) => vec![if *on { "yes" } else { "no" }.to_owned()],
            Self::Number(number) => vec![number.to_string()],
            Self::Text(text) => vec![text.clone()],
            Self::Lines(items) => items.iter().flat_map(Self::lines).collect(),
        }
    }
}

/// Where the password comes from; it never stands in the spec itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordSource {
    /// `env: NAME`: an environment variable of the deployer.
    Env(String),
    /// `file: PATH`: the first line of a file.
    File(PathBuf),
}

impl<'de> Deserialize<'de> for PasswordSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let not_a_source =
            "expected `env: NAME` or `file: PATH`; a password itself does not belong in the spec";
        source(deserializer, not_a_source, Self::Env, Self::File)
    }
}

/// `env: NAME` or `file: PATH`. What was written in place of it is not repeated: it may be the secret itself.
fn source<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    not_a_source: &str,
    env: impl FnOnce(String) -> T,
    file: impl FnOnce(PathBuf) -> T,
) -> Result<T, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    struct Source {
        env: Option<String>,
        file: Option<PathBuf>,
    }
    match Source::deserialize(deserializer).map_err(|_| serde::de::Error::custom(not_a_source))? {
        Source { env: Some(name), file: None } => Ok(env(name)),
        Source { env: None, file: Some(path) } => Ok(file(path)),
        _ => Err(serde::de::Error::custom("expected one of `env: NAME` and `file: PATH`")),
    }
}

/// The schema of what [`source`] reads.
fn source_schema(what: &str, file: &str) -> Schema {
    json_schema!({
        "description": what,
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": false,
        "properties": {
            "env": { "type": "string", "description": "Name of an environment variable of the deployer." },
            "file": { "type": "string", "description": file }
        }
    })
}

impl JsonSchema for PasswordSource {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PasswordSource".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        source_schema(
            "Where the password comes from; it never stands in the spec itself.",
            "A file whose first line is the password.",
        )
    }
}

/// Where a secret text of several lines comes from; it never stands in the spec itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextSource {
    /// `env: NAME`: an environment variable of the deployer.
    Env(String),
    /// `file: PATH`: the whole of a file.
    File(PathBuf),
}

impl<'de> Deserialize<'de> for TextSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let not_a_source =
            "expected `env: NAME` or `file: PATH`; the text itself does not belong in the spec";
        source(deserializer, not_a_source, Self::Env, Self::File)
    }
}

impl JsonSchema for TextSource {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TextSource".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        source_schema(
            "Where the text comes from; it never stands in the spec itself.",
            "A file; the whole of it.",
        )
    }
}

/// An amount of memory, storage or processor time, as Kubernetes writes it: `256Mi`, `20Gi`, `100m`, `2`.
///
/// What it is worth is judged by whoever knows Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Amount(String);

impl Amount {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount such as 256Mi, 100m or 2")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Amount, E> {
                Ok(Amount::new(text))
            }

            // Without quotes, a number is no text to YAML.
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Amount, E> {
                Ok(Amount(number.to_string()))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Amount, E> {
                Ok(Amount(number.to_string()))
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Amount, E> {
                Ok(Amount(number.to_string()))
            }
        }
        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An amount as Kubernetes writes it: 256Mi, 20Gi, 100m, 2.",
            "oneOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^[0-9]+(m|k|Ki|[MGTPE]i?)?$" }
            ]
        })
    }
}

/// Ports as a user writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortList {
    /// As many as are needed, from this one on.
    From(u16),
    /// Exactly these.
    Exactly(Vec<u16>),
}

impl<'de> Deserialize<'de> for PortList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u16),
            Text(String),
            List(Vec<u16>),
        }
        const EXPECTED: &str = "expected a port (7000), a range (7000-7005) or a list of ports ([7000, 7001]), each from 1 to 65535";
        let bad = || serde::de::Error::custom(EXPECTED);
        match Written::deserialize(deserializer).map_err(|_| bad())? {
            Written::Number(first) => Ok(Self::From(first)),
            Written::List(ports) => Ok(Self::Exactly(ports)),
            Written::Text(text) => {
                let (first, last) = text.split_once('-').ok_or_else(bad)?;
                let port = |text: &str| text.trim().parse::<u16>().map_err(|_| bad());
                let (first, last) = (port(first)?, port(last)?);
                if first > last {
                    return Err(serde::de::Error::custom("the range of ports ends before it begins"));
                }
                Ok(Self::Exactly((first..=last).collect()))
            }
        }
    }
}

impl JsonSchema for PortList {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PortList".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let port = serde_json::json!({ "type": "integer", "minimum": 1, "maximum": 55535 });
        json_schema!({
            "description": "The first port of a run, a range such as 7000-7005, or a list.",
            "oneOf": [port, { "type": "string", "pattern": "^[0-9]+ *- *[0-9]+$" }, { "type": "array", "items": port }]
        })
    }
}

impl PasswordSource {
    /// Reads the password; a relative file starts from `base`.
    ///
    /// # Errors
    /// When the variable is not set, the file cannot be read, or either is empty. The content is never repeated.
    pub fn read(&self, base: &Path) -> Result<SecretString, SpecError> {
        let (place, text) = match self {
            Self::Env(name) => read_variable("password", name)?,
            Self::File(path) => read_file("password", &absolute(base, path))?,
        };
        match text.expose_secret().lines().next().unwrap_or("") {
            "" => Err(SpecError::new(format!("password: {place} is empty"))),
            line => Ok(line.into()),
        }
    }
}

impl TextSource {
    /// Reads the text for `field` of the spec; a relative file starts from `base`.
    pub(super) fn read(&self, field: &str, base: &Path) -> Result<SecretString, SpecError> {
        let (place, text) = match self {
            Self::Env(name) => read_variable(field, name)?,
            Self::File(path) => read_file(field, &absolute(base, path))?,
        };
        match text.expose_secret().trim().is_empty() {
            true => Err(SpecError::new(format!("{field}: {place} is empty"))),
            false => Ok(text),
        }
    }
}

/// The variable's name for people, and its content.
fn read_variable(field: &str, name: &str) -> Result<(String, SecretString), SpecError> {
    match std::env::var(name) {
        Ok(text) => Ok((format!("the environment variable {name}"), text.into())),
        Err(_) => Err(SpecError::new(format!(
            "{field}: the environment variable {name} is not set; set it, or use file: PATH"
        ))),
    }
}

/// The file's name for people, and its content.
pub(super) fn read_file(field: &str, path: &Path) -> Result<(String, SecretString), SpecError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((path.display().to_string(), text.into())),
        Err(error) => Err(SpecError::new(format!("{field}: cannot read {}: {error}", path.display()))),
    }
}
