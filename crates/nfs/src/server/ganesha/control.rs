//! Telling a running Ganesha: its D-Bus interface, with a time limit on every call and errors that say what to do.
//!
//! The interface is `org.ganesha.nfsd.exportmgr` of NFS-Ganesha 4.3 (`src/support/export_mgr.c`). Two of its habits matter:
//! AddExport and UpdateExport report success when they left out what they did not understand ("1 exports added. Errors
//! found: …"), which is treated as the failure it is; and only one change at a time is taken ("another export admin
//! operation is in progress"), which is waited for.

use std::{fmt, io, path::Path, time::Duration};

use slotwright_machine::{Effect, Machine};
use tokio::time::{Instant, sleep, timeout_at};
use zbus::{Connection, DynamicType, Message, Structure, Variant, connection::Builder, fdo};

use crate::Error;

/// How long one call may take. Ganesha answers in milliseconds, but looks up host names on the way.
const LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

const SERVICE: &str = "org.ganesha.nfsd";
const EXPORTS: &str = "/org/ganesha/nfsd/ExportMgr";
const CLIENTS: &str = "/org/ganesha/nfsd/ClientMgr";

/// Which bus a Ganesha is on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Bus {
    /// The system's (`DBUS_SYSTEM_BUS_ADDRESS`, or the well-known socket).
    #[default]
    System,
    /// The one at this D-Bus address, for instance `unix:path=/run/nfs/bus`.
    At(String),
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("the system's D-Bus"),
            Self::At(address) => write!(f, "the D-Bus at {address}"),
        }
    }
}

/// An export as ShowExports has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) id: u16,
    /// Protocols that were used on it since the server's statistics began, for instance `NFSv3`.
    pub(super) protocols: Vec<String>,
    /// When a request for it was last answered, in seconds since 1970; 0 for never.
    pub(super) last: u64,
}

/// An export as DisplayExport has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Displayed {
    pub(super) path: String,
    pub(super) pseudo: String,
    pub(super) clients: Vec<DisplayedClient>,
}

/// One client of an export. The options are those of the client's own block, as bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DisplayedClient {
    pub(super) name: String,
    pub(super) anonymous_uid: u32,
    pub(super) anonymous_gid: u32,
    pub(super) options: u32,
    /// Which of the options were said.
    pub(super) set: u32,
}

/// One client of an export on the wire: name, the address in four parts, anonymous uid and gid, expiry, options, set.
type ClientOnBus = (String, i32, u8, u8, i32, u32, u32, u32, u32, u32);

/// A connection to the bus on which Ganesha answers.
#[derive(Debug)]
pub(super) struct Control {
    connection: Connection,
    bus: Bus,
}

impl Control {
    /// Connects, and makes sure that Ganesha is there.
    pub(super) async fn connect(bus: &Bus) -> Result<Self, Error> {
        let builder = match bus {
            Bus::System => Builder::system(),
            Bus::At(address) => Builder::address(&**address),
        };
        let deadline = Instant::now() + LIMIT;
        let connection = match timeout_at(deadline, builder.method_timeout(LIMIT).build()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(unconnected(bus, &error)),
            Err(_) => return Err(silent(bus, "connecting")),
        };
        let control = Self { connection, bus: bus.clone() };
        control.process().await?;
        Ok(control)
    }

    /// The process that answers as Ganesha.
    pub(super) async fn process(&self) -> Result<u32, Error> {
        let asked = self.connection.call_method(
            Some("org.freedesktop.DBus"),
            "/org/freedesktop/DBus",
            Some("org.freedesktop.DBus"),
            "GetConnectionUnixProcessID",
            &SERVICE,
        );
        let reply = self.within("asking who answers as Ganesha", asked).await?;
        reply.body().deserialize().map_err(|error| self.unreadable("GetConnectionUnixProcessID", &error))
    }

    /// What is exported.
    pub(super) async fn show_exports(&self) -> Result<Vec<Shown>, Error> {
        let reply = self.ask(EXPORTS, "exportmgr", "ShowExports", &()).await?;
        let body = reply.body();
        let body: Structure<'_> =
            body.deserialize().map_err(|error| self.unreadable("ShowExports", &error))?;
        shown(&body).ok_or_else(|| self.misshapen("ShowExports"))
    }

    /// One export in detail; `None` when there is none with this id.
    pub(super) async fn display_export(&self, id: u16) -> Result<Option<Displayed>, Error> {
        let reply = match self.ask(EXPORTS, "exportmgr", "DisplayExport", &id).await {
            Err(Error::Server { what, .. }) if what.contains("Export id not found") => return Ok(None),
            reply => reply?,
        };
        let (_, path, pseudo, _, clients): (u16, String, String, String, Vec<ClientOnBus>) =
            reply.body().deserialize().map_err(|error| self.unreadable("DisplayExport", &error))?;
        let clients =
            clients.into_iter().map(|(name, _, _, _, _, anonymous_uid, anonymous_gid, _, options, set)| {
                DisplayedClient { name, anonymous_uid, anonymous_gid, options, set }
            });
        Ok(Some(Displayed { path, pseudo, clients: clients.collect() }))
    }

    /// Whether the server notes when an export was last used.
    pub(super) async fn notes_use(&self) -> Result<bool, Error> {
        let reply = self.ask(EXPORTS, "exportstats", "StatusStats", &()).await?;
        let body = reply.body();
        let body: Structure<'_> =
            body.deserialize().map_err(|error| self.unreadable("StatusStats", &error))?;
        let on = |fields: &[Variant<'_>]| match fields.get(2)? {
            Variant::Structure(nfs) => match nfs.fields().first()? {
                Variant::Bool(on) => Some(*on),
                _ => None,
            },
            _ => None,
        };
        on(body.fields()).ok_or_else(|| self.misshapen("StatusStats"))
    }

    /// When each client was last heard of: address, and seconds since 1970.
    pub(super) async fn show_clients(&self) -> Result<Vec<(String, u64)>, Error> {
        let reply = self.ask(CLIENTS, "clientmgr", "ShowClients", &()).await?;
        let body = reply.body();
        let body: Structure<'_> =
            body.deserialize().map_err(|error| self.unreadable("ShowClients", &error))?;
        clients(&body).ok_or_else(|| self.misshapen("ShowClients"))
    }

    /// Has the export with this id in `file` served.
    pub(super) async fn add_export(&self, machine: &Machine, file: &Path, id: u16) -> Result<(), Error> {
        let what = format!("NFS-Ganesha: add export {id}");
        machine.seen_async(Effect::Ask(&what), self.load("AddExport", file, id)).await
    }

    /// Has the export with this id served as `file` says now. Its open files stay open.
    pub(super) async fn update_export(&self, machine: &Machine, file: &Path, id: u16) -> Result<(), Error> {
        let what = format!("NFS-Ganesha: update export {id}");
        machine.seen_async(Effect::Ask(&what), self.load("UpdateExport", file, id)).await
    }

    /// Has the export with this id served no more.
    pub(super) async fn remove_export(&self, machine: &Machine, id: u16) -> Result<(), Error> {
        let what = format!("NFS-Ganesha: remove export {id}");
        machine
            .seen_async(Effect::Ask(&what), async {
                self.ask(EXPORTS, "exportmgr", "RemoveExport", &id).await.map(|_| ())
            })
            .await
    }

    async fn load(&self, method: &str, file: &Path, id: u16) -> Result<(), Error> {
        let Some(file) = file.to_str() else {
            return Err(self.refused(method, "the file's name is not UTF-8, which D-Bus cannot carry"));
        };
        let body = (file, format!("EXPORT(Export_Id = {id})"));
        let reply = self.ask(EXPORTS, "exportmgr", method, &body).await?;
        let said: String = reply.body().deserialize().map_err(|error| self.unreadable(method, &error))?;
        match said.split_once("Errors found:") {
            None => Ok(()),
            // It calls that a success, and serves what it understood.
            Some((_, errors)) => Err(Error::Server {
                who: format!("NFS-Ganesha on {}", self.bus),
                what: format!("{method} of export {id} did not understand: {}", one_line(errors)),
                remedy: format!(
                    "what it did understand may be in force; mend the cause, for instance a host name that cannot be \
                     resolved, and apply again ({file})"
                ),
            }),
        }
    }

    /// One call; waits for its turn while another change is under way.
    async fn ask<B>(&self, path: &str, interface: &str, method: &str, body: &B) -> Result<Message, Error>
    where
        B: serde::Serialize + DynamicType,
    {
        let deadline = Instant::now() + LIMIT;
        let interface = format!("{SERVICE}.{interface}");
        loop {
            let asked = self.connection.call_method(Some(SERVICE), path, Some(&*interface), method, body);
            match self.within(method, asked).await {
                Err(Error::Server { what, .. })
                    if what.contains("operation is in progress") && Instant::now() < deadline =>
                {
                    sleep(PAUSE).await;
                }
                other => return other,
            }
        }
    }

    async fn within(
        &self,
        what: &str,
        asked: impl Future<Output = zbus::Result<Message>>,
    ) -> Result<Message, Error> {
        match timeout_at(Instant::now() + LIMIT, asked).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => Err(self.failed(what, &error)),
            Err(_) => Err(silent(&self.bus, what)),
        }
    }

    fn failed(&self, what: &str, error: &zbus::Error) -> Error {
        match error {
            zbus::Error::FDO(error) => match &**error {
                fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_) => Error::NotRunning {
                    server: "NFS-Ganesha",
                    why: format!("nobody answers as {SERVICE} on {}", self.bus),
                    remedy: "start it (`systemctl start nfs-ganesha`), or prepare for its start with --offline; one that does run was built or \
                             configured without D-Bus, or is on another bus",
                },
                fdo::Error::AccessDenied(said) => Error::Server {
                    who: format!("NFS-Ganesha on {}", self.bus),
                    what: format!("{what} is not permitted: {said}"),
                    remedy: "run as root; /etc/dbus-1/system.d/nfs-ganesha-dbus.conf says who may".to_owned(),
                },
                fdo::Error::NoReply(_) | fdo::Error::Timeout(_) | fdo::Error::TimedOut(_) => {
                    silent(&self.bus, what)
                }
                other => self.refused(what, &said(other)),
            },
            zbus::Error::MethodError(name, text, _) => {
                self.refused(what, text.as_deref().unwrap_or(name.as_str()))
            }
            zbus::Error::InputOutput(error) if error.kind() == io::ErrorKind::TimedOut => {
                silent(&self.bus, what)
            }
            other => Error::Server {
                who: self.bus.to_string(),
                what: format!("{what} got no answer: {other}"),
                remedy: "the bus or the server may have been stopped meanwhile; run the command again"
                    .to_owned(),
            },
        }
    }

    fn refused(&self, what: &str, said: &str) -> Error {
        Error::Server {
            who: format!("NFS-Ganesha on {}", self.bus),
            what: format!("{what} was refused: {}", one_line(said)),
            remedy: "its log (ganesha.log) has more".to_owned(),
        }
    }

    fn unreadable(&self, what: &str, error: &zbus::Error) -> Error {
        Error::Server {
            who: format!("NFS-Ganesha on {}", self.bus),
            what: format!("the answer to {what} cannot be read: {error}"),
            remedy: "it may be a version that answers in another way; 4.3 is known to work".to_owned(),
        }
    }

    fn misshapen(&self, what: &str) -> Error {
        Error::Server {
            who: format!("NFS-Ganesha on {}", self.bus),
            what: format!("the answer to {what} has another form than expected"),
            remedy: "it may be a version that answers in another way; 4.3 is known to work".to_owned(),
        }
    }
}

fn unconnected(bus: &Bus, error: &zbus::Error) -> Error {
    let io = match error {
        zbus::Error::InputOutput(error) | zbus::Error::Connection(error, _) => Some(error.kind()),
        _ => None,
    };
    match io {
        Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Error::NotRunning {
            server: "NFS-Ganesha",
            why: format!("{bus} cannot be reached ({error})"),
            remedy: "start D-Bus and then Ganesha, or name the bus that Ganesha is on",
        },
        Some(io::ErrorKind::PermissionDenied) => Error::Server {
            who: bus.to_string(),
            what: format!("it cannot be used: {error}"),
            remedy: "run as root".to_owned(),
        },
        _ => Error::Server {
            who: bus.to_string(),
            what: format!("it cannot be used: {error}"),
            remedy: "name the bus that Ganesha is on, for instance unix:path=/run/dbus/system_bus_socket; run as root"
                .to_owned(),
        },
    }
}

fn silent(bus: &Bus, what: &str) -> Error {
    Error::Server {
        who: bus.to_string(),
        what: format!("no answer to {what} within {} s", LIMIT.as_secs()),
        remedy: "what was asked may still happen: look at the status, then run the command again".to_owned(),
    }
}

/// What the server said, without the name of the error.
fn said(error: &fdo::Error) -> String {
    match error {
        fdo::Error::InvalidArgs(said) | fdo::Error::InvalidFileContent(said) | fdo::Error::Failed(said) => {
            said.clone()
        }
        other => other.to_string(),
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// (timestamp, [(id, path, ((protocol, used), …), timestamp), …])
fn shown(body: &Structure<'_>) -> Option<Vec<Shown>> {
    let Variant::Array(exports) = body.fields().get(1)? else { return None };
    let export = |export: &Variant<'_>| {
        let Variant::Structure(export) = export else { return None };
        let [Variant::U16(id), Variant::Str(_), protocols, last] = export.fields() else { return None };
        Some(Shown { id: *id, protocols: used(protocols)?, last: seconds(last)? })
    };
    exports.iter().map(export).collect()
}

/// (timestamp, [(address, ((protocol, used), …), timestamp), …])
fn clients(body: &Structure<'_>) -> Option<Vec<(String, u64)>> {
    let Variant::Array(clients) = body.fields().get(1)? else { return None };
    let client = |client: &Variant<'_>| {
        let Variant::Structure(client) = client else { return None };
        let [Variant::Str(address), _, last] = client.fields() else { return None };
        Some((address.as_str().to_owned(), seconds(last)?))
    };
    clients.iter().map(client).collect()
}

/// The names of the protocols that were used. Which are listed depends on how the server was built.
fn used(protocols: &Variant<'_>) -> Option<Vec<String>> {
    let Variant::Structure(protocols) = protocols else { return None };
    let mut used = Vec::new();
    for protocol in protocols.fields() {
        let Variant::Structure(protocol) = protocol else { return None };
        let [Variant::Str(name), Variant::Bool(on)] = protocol.fields() else { return None };
        if *on {
            used.push(name.as_str().to_owned());
        }
    }
    Some(used)
}

fn seconds(time: &Variant<'_>) -> Option<u64> {
    let Variant::Structure(time) = time else { return None };
    match time.fields().first()? {
        Variant::U64(seconds) => Some(*seconds),
        _ => None,
    }
}
