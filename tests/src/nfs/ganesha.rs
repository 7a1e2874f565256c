//! NFS-Ganesha as somebody runs it: a main configuration, a bus of its own, and everything in one folder.
//!
//! Over NFSv4 it needs nothing else. NFSv3 takes a portmapper, which has one fixed port: start such a server within
//! [`super::apart::apart`]. What is exported is left to whoever writes to the configuration or the bus.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{apart::Portmapper, tools};
use crate::{ports::Ports, server::folder, wait::until_blocking};

/// How a server shall be.
#[derive(Debug, Clone)]
pub struct Options {
    /// NFSv3 as well as NFSv4.
    pub version_3: bool,
    /// How long a client that is silent keeps what it has open, in seconds.
    pub lease: u32,
    /// After a restart, clients get back what they had before anybody else gets it.
    pub grace: bool,
    /// Further text of the main configuration, for instance EXPORT blocks.
    pub configuration: String,
    /// Nobody may talk to the server over the bus.
    pub forbidden: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { version_3: false, lease: 10, grace: false, configuration: String::new(), forbidden: false }
    }
}

/// The files of a server, and how it is started: one folder and one port.
#[derive(Debug, Clone)]
pub struct Place {
    folder: PathBuf,
    port: u16,
}

/// The longest name of a socket (unix(7)).
const LONGEST_SOCKET: usize = 107;
const SOCKET: &str = "bus";

impl Place {
    /// A server in `folder`, which is there, serving NFS at `port`.
    ///
    /// # Panics
    /// When the folder's name is too long for a socket in it.
    pub fn new(folder: &Path, port: u16) -> Self {
        assert!(Self::fits(folder), "{} is too long for the name of a socket in it", folder.display());
        Self { folder: folder.to_path_buf(), port }
    }

    /// Whether the bus can have its socket in this folder.
    pub fn fits(folder: &Path) -> bool {
        folder.join(SOCKET).as_os_str().len() <= LONGEST_SOCKET
    }

    /// Where the server and the bus keep everything.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The port of NFS.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of MOUNT, where NFSv3 is spoken.
    pub fn mount_port(&self) -> u16 {
        self.port + 10_000
    }

    /// The main configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.join("ganesha.conf")
    }

    /// The folder for files that the main configuration includes.
    pub fn drop_ins(&self) -> PathBuf {
        self.folder.join("conf")
    }

    /// What the server logs.
    pub fn log(&self) -> PathBuf {
        self.folder.join("ganesha.log")
    }

    /// The process that the server runs as, noted and locked by itself.
    pub fn pid_file(&self) -> PathBuf {
        self.folder.join("ganesha.pid")
    }

    fn socket(&self) -> PathBuf {
        self.folder.join(SOCKET)
    }

    /// The address of the bus.
    pub fn bus(&self) -> String {
        format!("unix:path={}", self.socket().display())
    }

    /// Writes the configuration of server and bus.
    ///
    /// # Panics
    /// When a file cannot be written.
    pub fn write(&self, options: &Options) {
        fs::create_dir_all(self.drop_ins()).unwrap();
        fs::create_dir_all(self.folder.join("recovery")).unwrap();
        let folder = self.folder.display();
        let plugins = tools::file("usr/lib/x86_64-linux-gnu/ganesha");
        let main = format!(
            "NFS_CORE_PARAM {{\n    Bind_addr = 127.0.0.1;\n    NFS_Port = {};\n    MNT_Port = {};\n    Protocols = {};\n    \
             mount_path_pseudo = true;\n    Enable_NLM = false;\n    Enable_RQUOTA = false;\n    Enable_UDP = false;\n    \
             Plugins_Dir = {};\n}}\nNFS_KRB5 {{\n    Active_krb5 = false;\n    CCacheDir = \"{folder}/ccache\";\n}}\nNFSV4 {{\n    RecoveryRoot = \"{folder}/recovery\";\n    Graceless = {};\n    \
             Grace_Period = {};\n    Lease_Lifetime = {};\n    Only_Numeric_Owners = true;\n    UseGetpwnam = true;\n}}\n{}",
            self.port,
            self.mount_port(),
            if options.version_3 { "3, 4" } else { "4" },
            plugins.display(),
            !options.grace,
            options.lease,
            options.lease,
            options.configuration,
        );
        fs::write(self.config(), main).unwrap();
        let may_send = match options.forbidden {
            true => "",
            false => "<allow send_destination=\"org.ganesha.nfsd\"/>",
        };
        // As Debian's nfs-ganesha-dbus.conf and system.conf.
        let bus = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN\" \
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n<busconfig>\n<listen>{}</listen>\n\
             <auth>EXTERNAL</auth>\n<policy context=\"default\">\n<allow user=\"*\"/>\n<deny own=\"*\"/>\n\
             <deny send_type=\"method_call\"/>\n<allow send_type=\"signal\"/>\n\
             <allow send_requested_reply=\"true\" send_type=\"method_return\"/>\n\
             <allow send_requested_reply=\"true\" send_type=\"error\"/>\n<allow receive_type=\"method_call\"/>\n\
             <allow receive_type=\"method_return\"/>\n<allow receive_type=\"error\"/>\n<allow receive_type=\"signal\"/>\n\
             <allow send_destination=\"org.freedesktop.DBus\"/>\n</policy>\n<policy user=\"root\">\n\
             <allow own=\"org.ganesha.nfsd\"/>\n{may_send}\n</policy>\n</busconfig>\n",
            self.bus()
        );
        fs::write(self.folder.join("bus.conf"), bus).unwrap();
    }

    fn command(&self, program: &str, output: &str) -> Command {
        let mut command = tools::program(program);
        let output = fs::File::create(self.folder.join(output)).unwrap();
        command
            .current_dir(&self.folder)
            .env("DBUS_SYSTEM_BUS_ADDRESS", self.bus())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        command
    }

    /// The bus, to be started first.
    ///
    /// # Panics
    /// When the program is missing.
    pub fn bus_command(&self) -> Command {
        // A killed bus leaves it behind.
        let _ = fs::remove_file(self.socket());
        let mut command = self.command("usr/bin/dbus-daemon", "bus.log");
        command.args(["--config-file=bus.conf", "--nofork", "--nopidfile"]);
        command
    }

    /// The server.
    ///
    /// # Panics
    /// When the program is missing.
    pub fn server_command(&self) -> Command {
        let _ = fs::remove_file(self.log());
        let mut command = self.command("usr/bin/ganesha.nfsd", "ganesha.out");
        command
            .args(["-F", "-f"])
            .arg(self.config())
            .arg("-L")
            .arg(self.log())
            .arg("-p")
            .arg(self.pid_file());
        command
    }

    /// Whether the bus takes connections.
    ///
    /// # Errors
    /// Why not yet.
    pub fn bus_is_up(&self) -> Result<(), String> {
        std::os::unix::net::UnixStream::connect(self.socket()).map(|_| ()).map_err(|error| error.to_string())
    }

    /// Whether the server serves and answers on the bus.
    ///
    /// # Errors
    /// Why not yet.
    pub fn is_up(&self) -> Result<(), String> {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        if !log.contains("NFS SERVER INITIALIZED") {
            return Err("it starts".to_owned());
        }
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).map_err(|error| error.to_string())?;
        let asked = self.send(
            "org.freedesktop.DBus",
            "/",
            "org.freedesktop.DBus.NameHasOwner",
            &["string:org.ganesha.nfsd"],
        );
        match String::from_utf8_lossy(&asked.stdout).contains("boolean true") {
            true => Ok(()),
            false => Err(format!("it is not on the bus yet: {asked:?}")),
        }
    }

    /// Calls a method with dbus-send(1).
    ///
    /// # Panics
    /// When the program is missing.
    pub fn send(&self, to: &str, path: &str, method: &str, arguments: &[&str]) -> Output {
        tools::program("usr/bin/dbus-send")
            .args([&format!("--bus={}", self.bus()), "--print-reply", &format!("--dest={to}"), path, method])
            .args(arguments)
            .output()
            .unwrap()
    }
}

/// A running server. Stopped, and its folder removed, when dropped.
pub struct Ganesha {
    place: Place,
    server: Option<Child>,
    bus: Option<Child>,
    _portmapper: Option<Portmapper>,
    _port: Ports,
    _folder: TempDir,
}

impl Ganesha {
    /// Starts a server on a port of its own; waits until it serves.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(options: &Options) -> Self {
        let (folder, port) = (folder(), Ports::reserve(1));
        let place = Place::new(folder.path(), port.first());
        place.write(options);
        let portmapper = options.version_3.then(Portmapper::start);
        let mut ganesha =
            Self { place, server: None, bus: None, _portmapper: portmapper, _port: port, _folder: folder };
        ganesha.start_bus();
        ganesha.start_server();
        ganesha
    }

    /// Its files, ports and addresses.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Starts the bus, which must not run.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_bus(&mut self) {
        assert!(self.bus.is_none());
        self.bus = Some(self.place.bus_command().spawn().unwrap());
        until_blocking("the bus is there", || self.place.bus_is_up());
    }

    /// Starts the server again in its folder, at its port; waits until it serves.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_server(&mut self) {
        assert!(self.server.is_none());
        self.server = Some(self.place.server_command().spawn().unwrap());
        until_blocking("the server serves", || {
            if let Some(status) = self.server.as_mut().and_then(|child| child.try_wait().unwrap()) {
                panic!("the server ended ({status}):\n{}", self.log());
            }
            self.place.is_up()
        });
    }

    /// Asks the server to end, and waits for that.
    ///
    /// # Panics
    /// When it does not.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        self.await_end();
    }

    /// Waits until the server has ended.
    ///
    /// # Panics
    /// When it does not.
    pub fn await_end(&mut self) {
        let child = self.server.as_mut().unwrap();
        until_blocking("the server ends", || child.try_wait().unwrap().ok_or("it runs"));
        self.server = None;
    }

    /// Ends the server as a crash does.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill9(&mut self) {
        end(&mut self.server);
    }

    /// Ends the bus, and with it the server.
    pub fn kill_bus(&mut self) {
        end(&mut self.bus);
    }

    /// Stops and starts: same folder, same port, same recovery database.
    ///
    /// # Panics
    /// As [`Self::stop`] and [`Self::start_server`].
    pub fn restart(&mut self) {
        self.stop();
        self.start_server();
    }

    /// Stops the process where it stands; the system still accepts connections for it.
    ///
    /// # Panics
    /// When it does not run.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen process go on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.server.as_ref().unwrap()), signal).unwrap();
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.place.log()).unwrap_or_default()
    }

    /// A client of libnfs (`nfs-ls`, `nfs-cat`) on a path of the server, over NFSv4.0.
    ///
    /// # Panics
    /// When the program is missing.
    pub fn client(&self, program: &str, path: &str) -> Command {
        let mut command = tools::program(&format!("usr/bin/{program}"));
        command
            .arg(format!("nfs://127.0.0.1{path}?version=4&nfsport={}", self.place.port))
            .stdin(Stdio::null());
        command
    }
}

fn end(child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        // Also ends a frozen process.
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Ganesha {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- the server logged:\n{}", self.log());
        }
        end(&mut self.server);
        end(&mut self.bus);
    }
}
