//! The settings of one node, in order: parsed from, changed, rendered to `redis.conf`.

use std::{fmt, slice};

use super::{
    error::SettingError,
    split::{join, quote, split},
    table::{Owner, Setting, nearest},
};

/// One line of `redis.conf`.
#[derive(Clone, PartialEq, Eq)]
struct Line {
    /// In lower case, aliases replaced.
    name: String,
    arguments: Vec<String>,
}

impl Line {
    fn setting(&self) -> Option<&'static Setting> {
        Setting::find(&self.name)
    }

    /// Settings that are not known may hold credentials, as module settings do.
    fn is_secret(&self) -> bool {
        self.setting().is_none_or(|setting| setting.kind.is_secret())
    }

    /// The arguments as one value.
    fn value(&self) -> String {
        match self.arguments.as_slice() {
            // The servers split a lone argument again where several are taken: it is the value as it stands.
            [argument] => argument.clone(),
            arguments => join(arguments.iter().map(String::as_str)),
        }
    }

    fn render(&self) -> String {
        let mut line = String::new();
        quote(&mut line, &self.name);
        for argument in &self.arguments {
            line.push(' ');
            quote(&mut line, argument);
        }
        line
    }
}

/// The settings of one node, in order.
///
/// Names are kept in lower case and without aliases (`slave-priority` becomes `replica-priority`). Unknown
/// directives are kept as they are. `Debug` and `Display` hide secrets and everything that is not known.
///
/// ```
/// use slotwright_cluster::Settings;
/// let mut settings = Settings::parse("# a comment\nmaxmemory 256mb\nsave 3600 1\nsave 300 100\nrequirepass 'top secret'\n")?;
/// assert_eq!(settings.get("save").as_deref(), Some("3600 1 300 100"));
/// settings.set("maxmemory", "1gb")?;
/// assert_eq!(settings.to_string(), "maxmemory 1gb\nsave 3600 1\nsave 300 100\nrequirepass (hidden)\n");
/// assert_eq!(Settings::parse(&settings.render())?, settings);
/// # Ok::<(), slotwright_cluster::settings::SettingError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings {
    lines: Vec<Line>,
}

impl Settings {
    /// No settings: every one at the engine's default.
    pub const fn new() -> Self {
        Self { lines: Vec::new() }
    }

    /// Reads the text of a `redis.conf`. Comments are dropped, `include` lines are kept and not followed, values
    /// are not checked (see [`Self::validate`]).
    ///
    /// # Errors
    /// When a line does not split into arguments; names the line and the directive, never the value.
    pub fn parse(text: &str) -> Result<Self, SettingError> {
        let mut lines = Vec::new();
        for (index, line) in text.split('\n').enumerate() {
            let line = line.trim_matches([' ', '\t', '\r']);
            if line.starts_with('#') {
                continue;
            }
            let arguments = split(line).map_err(|reason| {
                let directive = line.split([' ', '\t']).next().filter(|word| plain(word)).unwrap_or("");
                let separator = if directive.is_empty() { "" } else { ", " };
                SettingError::Syntax { place: format!("line {}{separator}{directive}", index + 1), reason }
            })?;
            let mut arguments = arguments.into_iter();
            if let Some(name) = arguments.next() {
                lines.push(Line { name: resolve(&name), arguments: arguments.collect() });
            }
        }
        Ok(Self { lines })
    }

    /// Sets `name` to `value`, in the place of its first line or at the end.
    ///
    /// The value of a setting that takes several arguments is split as a line of `redis.conf`; any other value is one
    /// argument, spaces and quotes included. Whether the setting takes the value is not checked.
    ///
    /// # Errors
    /// When the name is not one a line can begin with, or the value does not split.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        self.set_lines(name, slice::from_ref(&value))
    }

    /// Sets `name` to several lines, as `save`, `client-output-buffer-limit`, `user` and `loadmodule` take them; for
    /// any other setting the last one counts. No lines remove the setting.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn set_lines<S: AsRef<str>>(&mut self, name: &str, values: &[S]) -> Result<(), SettingError> {
        if !plain(name) {
            let place = name.escape_debug().take(60).collect();
            return Err(SettingError::Syntax { place, reason: "a name has letters, digits and -_. only" });
        }
        let name = resolve(name);
        let several = Setting::find(&name).is_some_and(|setting| setting.kind.takes_several());
        let mut lines = Vec::with_capacity(values.len());
        for value in values.iter().map(AsRef::as_ref) {
            let mut arguments = match several {
                true => {
                    split(value).map_err(|reason| SettingError::Syntax { place: name.clone(), reason })?
                }
                false => vec![value.to_owned()],
            };
            if arguments.is_empty() {
                // Nothing at all is written as an empty argument: save "".
                arguments.push(String::new());
            }
            lines.push(Line { name: name.clone(), arguments });
        }
        self.replace(&name, lines);
        Ok(())
    }

    fn replace(&mut self, name: &str, lines: Vec<Line>) {
        let place = self.lines.iter().position(|line| line.name == name).unwrap_or(self.lines.len());
        self.lines.retain(|line| line.name != name);
        self.lines.splice(place..place, lines);
    }

    /// Removes every line of `name`; true when there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let (name, before) = (resolve(name), self.lines.len());
        self.lines.retain(|line| line.name != name);
        self.lines.len() != before
    }

    /// The value of `name` as the server will hold it: the last line, or all lines together where they add up. Gives
    /// secrets too. `None` when no line sets it.
    pub fn get(&self, name: &str) -> Option<String> {
        let name = resolve(name);
        let accumulates = Setting::find(&name).is_some_and(|setting| setting.kind.accumulates());
        let mut values = self.lines.iter().filter(|line| line.name == name).map(Line::value);
        if !accumulates {
            return values.next_back();
        }
        let mut joined = values.next()?;
        for value in values {
            // An empty line takes back what stands before it: save "".
            if value.is_empty() || joined.is_empty() {
                joined = value;
            } else {
                joined.push(' ');
                joined.push_str(&value);
            }
        }
        Some(joined)
    }

    /// Each name once, in order, with its value as [`Self::get`] gives it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, String)> {
        let first = |(index, line): &(usize, &Line)| {
            let earlier = self.lines.iter().take(*index);
            !earlier.clone().any(|other| other.name == line.name)
        };
        let names = self.lines.iter().enumerate().filter(first).map(|(_, line)| line.name.as_str());
        names.filter_map(|name| Some((name, self.get(name)?)))
    }

    /// Takes over every setting of `other`: all lines of a name that both have are replaced, new names come last.
    pub fn merge(&mut self, other: &Self) {
        for (name, _) in other.iter() {
            let lines = other.lines.iter().filter(|line| line.name == name).cloned().collect();
            self.replace(name, lines);
        }
    }

    /// True when nothing is set.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The text of a `redis.conf`, **secrets included**: one line each, quoted where needed.
    pub fn render(&self) -> String {
        self.lines.iter().map(|line| line.render() + "\n").collect()
    }

    /// Checks the values of all settings that are known.
    ///
    /// # Errors
    /// Everything that is wrong, in order.
    pub fn validate(&self) -> Result<(), Vec<SettingError>> {
        let errors: Vec<_> =
            self.lines.iter().filter_map(|line| check(line, line.setting()?).err()).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// Checks one line of a known setting.
fn check(line: &Line, setting: &'static Setting) -> Result<(), SettingError> {
    if !setting.kind.takes_several() && line.arguments.len() != 1 {
        let reason = "expected one value; quote a value with spaces, and give a comment a line of its own";
        return Err(SettingError::Syntax { place: line.name.clone(), reason });
    }
    if setting.kind.takes_several() && line.arguments.is_empty() {
        return Err(SettingError::Syntax { place: line.name.clone(), reason: "expected a value" });
    }
    setting.canonical(&line.value()).map(drop)
}

/// Checks settings that come from a specification: only known ones with values they take, none that the deployment
/// decides. Module settings (a name with a dot) pass as they are.
///
/// ```
/// use slotwright_cluster::{Settings, settings::validate_user};
/// let mut settings = Settings::new();
/// settings.set("maxmemmory", "1gb")?;
/// settings.set("port", "7000")?;
/// let errors = validate_user(&settings).unwrap_err();
/// assert_eq!(errors[0].to_string(), "there is no setting \"maxmemmory\"; did you mean maxmemory?");
/// assert_eq!(errors[1].to_string(), "port cannot be set here: the deployment gives each node its ports");
/// # Ok::<(), slotwright_cluster::settings::SettingError>(())
/// ```
///
/// # Errors
/// Everything that is wrong, in order.
pub fn validate_user(settings: &Settings) -> Result<(), Vec<SettingError>> {
    let errors: Vec<_> = settings.lines.iter().filter_map(|line| check_user(line).err()).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn check_user(line: &Line) -> Result<(), SettingError> {
    let Some(setting) = line.setting() else {
        return match line.name.contains('.') {
            true => Ok(()),
            false => Err(SettingError::Unknown { name: line.name.clone(), nearest: nearest(&line.name) }),
        };
    };
    if let Owner::Deployment { reason } = setting.owner {
        return Err(SettingError::Owned { name: setting.name, reason });
    }
    // Its own lines would lock the deployment out, or leave the password it sets without effect.
    let default_user =
        line.arguments.first().is_some_and(|name| name == "default" || name.starts_with("default "));
    if setting.name == "user" && default_user {
        let reason = "the deployment itself logs in as the default user, with the password of its secret";
        return Err(SettingError::Owned { name: setting.name, reason });
    }
    check(line, setting)
}

/// True for names a line can begin with.
fn plain(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// The name as it is kept.
fn resolve(name: &str) -> String {
    Setting::find(name).map_or_else(|| name.to_ascii_lowercase(), |setting| setting.name.to_owned())
}

impl fmt::Display for Settings {
    /// As [`Settings::render`], but with secrets and unknown settings hidden: for people, not for a server.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            match line.is_secret() {
                true => writeln!(f, "{} (hidden)", join([line.name.as_str()]))?,
                false => writeln!(f, "{}", line.render())?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |line: &Line| {
            if line.is_secret() { "(hidden)".to_owned() } else { line.value() }
        };
        f.debug_list().entries(self.lines.iter().map(|line| (&line.name, shown(line)))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_replaces_in_place() {
        let mut settings = Settings::parse("port 1\nsave 1 1\nhz 10\nsave 2 2\n").unwrap();
        settings.set("SAVE", "3 3").unwrap();
        settings.set("timeout", "0").unwrap();
        assert_eq!(settings.render(), "port 1\nsave 3 3\nhz 10\ntimeout 0\n");
        settings.set_lines("save", &["900 1", "300 10"]).unwrap();
        assert_eq!(settings.render(), "port 1\nsave 900 1\nsave 300 10\nhz 10\ntimeout 0\n");
        assert!(settings.remove("hz") && !settings.remove("hz"));
        let names: Vec<_> = settings.iter().collect();
        assert_eq!(names[1], ("save", "900 1 300 10".to_owned()));
        assert_eq!(names.len(), 3);
    }

    #[test]
    fn gives_the_value_the_server_will_hold() {
        let text = "save 900 1\nsave \"\"\nsave \"60 1000\"\nhz 10\nHZ 20\nclient-output-buffer-limit normal 0 0 0\n\
                    client-output-buffer-limit replica 1mb 1mb 1\nslave-priority 5\ninclude /a b\nempty\n";
        let settings = Settings::parse(text).unwrap();
        assert_eq!(settings.get("save").as_deref(), Some("60 1000"));
        assert_eq!(settings.get("hz").as_deref(), Some("20"));
        let limits = settings.get("client-output-buffer-limit").unwrap();
        assert_eq!(limits, "normal 0 0 0 replica 1mb 1mb 1");
        assert_eq!(settings.get("replica-priority"), settings.get("slave-priority"));
        assert_eq!(settings.get("include").as_deref(), Some("/a b"));
        assert_eq!(settings.get("empty").as_deref(), Some(""));
        assert_eq!(settings.get("absent"), None);
        assert_eq!(Settings::parse("save 1 1\nsave ''").unwrap().get("save").as_deref(), Some(""));
    }

    #[test]
    fn values_with_spaces_are_one_argument_where_one_is_taken() {
        let mut settings = Settings::new();
        settings.set("proc-title-template", "{title} \"x\"").unwrap();
        settings.set("save", "").unwrap();
        settings.set("notify-keyspace-events", "").unwrap();
        assert_eq!(
            settings.render(),
            "proc-title-template \"{title} \\\"x\\\"\"\nsave \"\"\nnotify-keyspace-events \"\"\n"
        );
        assert!(settings.validate().is_ok());
        for (name, value) in [("", "1"), ("a b", "1"), ("#x", "1"), ("save", "\"1")] {
            assert!(settings.set(name, value).is_err(), "{name:?}");
        }
    }

    #[test]
    fn merge_replaces_whole_settings() {
        let mut base = Settings::parse("save 1 1\nsave 2 2\nhz 10\n").unwrap();
        base.merge(&Settings::parse("timeout 5\nsave 9 9\n").unwrap());
        assert_eq!(base.render(), "save 9 9\nhz 10\ntimeout 5\n");
    }

    #[test]
    fn secrets_and_unknown_settings_are_hidden() {
        let text =
            "requirepass hush\nmasterauth hush\nuser a on >hush ~*\nrequirepas hush\nmod.key hush\nhz 10\n";
        let settings = Settings::parse(text).unwrap();
        let shown = format!("{settings} {settings:?} {settings:#?}");
        assert!(!shown.contains("hush") && shown.contains("hz 10"), "{shown}");
        assert_eq!(settings.render(), text);
        let errors = [
            Settings::parse("requirepass \"hush").unwrap_err(),
            Settings::parse("\"hush").unwrap_err(),
            Settings::parse("requirepass hush hush").unwrap().validate().unwrap_err().remove(0),
            Settings::new().set("user", "a \">hush").unwrap_err(),
        ];
        for error in errors {
            assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
        }
    }

    #[test]
    fn names_the_line_and_the_directive() {
        let error = Settings::parse("hz 10\n\n  dbfilename \"x\n").unwrap_err();
        assert_eq!(error.to_string(), "line 3, dbfilename: a double quote is not closed");
        let errors =
            Settings::parse("hz 10 # often\nhz many\nnovel x y\nsave\n").unwrap().validate().unwrap_err();
        assert_eq!(errors.len(), 3, "{errors:?}");
    }

    #[test]
    fn a_specification_is_held_to_what_it_may_say() {
        let refused = [
            "port 1",
            "requirepass x",
            "PrimaryAuth x",
            "include /x",
            "rename-command FLUSHALL ''",
            "cluster-announce-ip 10.0.0.1",
            "user default on nopass ~* +@all",
            "user \"default on\"",
            "hz fast",
            "novel 1",
            "maxmemory 1gb # all",
        ];
        for text in refused {
            let errors = validate_user(&Settings::parse(text).unwrap()).unwrap_err();
            assert_eq!(errors.len(), 1, "{text}");
        }
        let text = "maxmemory 1gb\nsearch.threads 4\nuser app on #abc ~app:* +@read\nloadmodule /m.so a b\nsave ''\n";
        assert_eq!(validate_user(&Settings::parse(text).unwrap()), Ok(()));
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_parses_back(text in "((save|hz|requirepass|x.y|slave-priority|#|[a-z]{0,5})( [0-9a-z]{0,4}| \"[a-z ]{0,4}\"| '\"')*(\r?\n|\n\n|))*") {
            if let Ok(settings) = Settings::parse(&text) {
                proptest::prop_assert_eq!(Settings::parse(&settings.render()).unwrap(), settings);
            }
        }

        #[test]
        fn what_is_set_parses_back(values in proptest::collection::vec(("[a-z]{1,4}(-[a-z]{1,3})?|requirepass|save|include", "(?s).{0,10}"), 0..6)) {
            let mut settings = Settings::new();
            for (name, value) in &values {
                let _ = settings.set(name, value);
            }
            proptest::prop_assert_eq!(Settings::parse(&settings.render()).unwrap(), settings);
        }

        #[test]
        fn never_panics(text in "(?s).{0,60}") {
            if let Ok(settings) = Settings::parse(&text) {
                let _ = (settings.validate(), validate_user(&settings), settings.iter().count(), settings.to_string());
                proptest::prop_assert_eq!(Settings::parse(&settings.render()).unwrap(), settings);
            }
        }
    }
}
