//! The values of a spec file that can be written in several ways: settings, ports, and where a password comes from.

use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

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
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        struct Source {
            env: Option<String>,
            file: Option<PathBuf>,
        }
        // A password written in place of its source must not be repeated in an error.
        let source = Source::deserialize(deserializer).map_err(|_| {
            serde::de::Error::custom(
                "expected `env: NAME` or `file: PATH`; a password itself does not belong in the spec",
            )
        })?;
        match source {
            Source { env: Some(name), file: None } => Ok(Self::Env(name)),
            Source { env: None, file: Some(path) } => Ok(Self::File(path)),
            _ => Err(serde::de::Error::custom("expected one of `env: NAME` and `file: PATH`")),
        }
    }
}

impl JsonSchema for PasswordSource {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PasswordSource".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where the password comes from; it never stands in the spec itself.",
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": false,
            "properties": {
                "env": { "type": "string", "description": "Name of an environment variable of the deployer." },
                "file": { "type": "string", "description": "A file whose first line is the password." }
            }
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
        let (place, text) = self.text("password", base)?;
        match text.lines().next().unwrap_or("") {
            "" => Err(SpecError::new(format!("password: {place} is empty"))),
            line => Ok(line.into()),
        }
    }

    /// Reads all of it, for instance an ACL file; `field` is what it is for.
    pub(super) fn read_all(&self, field: &str, base: &Path) -> Result<SecretString, SpecError> {
        let (_, text) = self.text(field, base)?;
        Ok(text.into())
    }

    fn text(&self, field: &str, base: &Path) -> Result<(String, String), SpecError> {
        Ok(match self {
            Self::Env(name) => {
                let text = std::env::var(name).map_err(|_| {
                    SpecError::new(format!(
                        "{field}: the environment variable {name} is not set; set it, or use file: PATH"
                    ))
                })?;
                (format!("the environment variable {name}"), text)
            }
            Self::File(path) => {
                let path = absolute(base, path);
                let text = std::fs::read_to_string(&path).map_err(|error| {
                    SpecError::new(format!("{field}: cannot read {}: {error}", path.display()))
                })?;
                (path.display().to_string(), text)
            }
        })
    }
}
