//! The text of our drop-in file.

use std::fmt::Write as _;

use super::{
    syntax::quoted,
    terms::{Rule, Who, entries},
};
use crate::{Error, Export};

const HEADER: &str = "# Written by Slotwright; `slotwright exports apply` replaces what is changed here.
# Exports of others belong in a file of their own.
";

/// The whole file. Protocols are left to NFS_CORE_PARAM: whether a server speaks NFSv3 is not an export's affair.
pub(super) fn render(exports: &[Export]) -> Result<String, Error> {
    let mut text = HEADER.to_owned();
    for export in exports {
        let unsayable =
            |what: String| Error::Configuration { place: export.path.display().to_string(), what };
        let path = export.path.to_str().filter(|path| !path.contains(char::is_control)).ok_or_else(|| {
            unsayable(
                "Ganesha cannot be told of a name that is not UTF-8 or has control characters".to_owned(),
            )
        })?;
        let path = quoted(path);
        let entries = entries(&export.grants).map_err(unsayable)?;
        text.push_str(&format!(
            "
EXPORT {{
    Export_Id = {};
    Path = {path};
    Pseudo = {path};
    # To whom no CLIENT block applies.
    Access_Type = None;
    FSAL {{
        Name = VFS;
    }}
",
            export.id
        ));
        for (who, rule) in &entries {
            client(&mut text, who, rule);
        }
        text.push_str("}\n");
    }
    Ok(text)
}

fn client(text: &mut String, who: &[Who], rule: &Rule) {
    let clients: Vec<String> = who.iter().map(Who::word).collect();
    let flavours: Vec<&str> = rule.flavours.iter().copied().collect();
    // Writing to a text cannot fail.
    let _ = write!(
        text,
        "    CLIENT {{
        Clients = {};
        Access_Type = {};
        Squash = {};
        Anonymous_Uid = {};
        Anonymous_Gid = {};
        SecType = {};
        PrivilegedPort = {};
    }}
",
        clients.join(", "),
        if rule.writes { "RW" } else { "RO" },
        rule.squash,
        rule.anonymous_uid,
        rule.anonymous_gid,
        flavours.join(", "),
        rule.privileged_port,
    );
}
