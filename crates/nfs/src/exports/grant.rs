//! One client with its options: what stands between two blanks of an exports file.

use std::{fmt, str::FromStr};

use super::{client::Client, options::Options, problem::Problem};

/// Who gets an export, and how. `FromStr` and `Display` use the form `client(option,option)`, without the escapes that
/// a file may need for paths among the options.
///
/// ```
/// use slotwright_nfs::exports::{Client, Grant, Options};
/// let grant: Grant = "10.0.0.0/24(rw,all_squash,anonuid=999,anongid=999,fsid=7)".parse()?;
/// assert_eq!(grant.client, "10.0.0.0/24".parse::<Client>()?);
/// assert_eq!(grant.options.fsid, Some(7));
/// assert_eq!("*".parse::<Grant>()?.options, Options::default());
/// # Ok::<(), slotwright_nfs::exports::Problem>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    /// Who.
    pub client: Client,
    /// How.
    pub options: Options,
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.client, self.options)
    }
}

impl FromStr for Grant {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let (client, list) = split(text)?;
        let mut options = Options::default();
        if let Some(list) = list {
            options.apply(list).map_err(|(_, problem)| problem)?;
        }
        Ok(Self { client: client.parse()?, options: options.normalised() })
    }
}

/// Splits `client(options)`: the first parenthesis opens the list, the first `)` after it has to end the text.
pub(super) fn split(text: &str) -> Result<(&str, Option<&str>), Problem> {
    let Some((client, list)) = text.split_once('(') else { return Ok((text, None)) };
    match list.split_once(')') {
        None => Err(Problem::OpenList),
        Some((list, "")) => Ok((client, Some(list))),
        Some((_, rest)) => Err(Problem::AfterList { found: rest.to_owned() }),
    }
}
