//! A real server in a temporary folder of its own: started, stopped, killed, frozen, and always gone at the end.
//!
//! What is asked of it goes through the client under test. Choosing ports is left to [`crate::ports`].

use std::{
    env, fmt, fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use slotwright_client::{
    BoxedStream, Command as Request, ConnectOptions, Connection, Credentials, Deadline, Error,
    ProtocolPreference, TcpConnector, UnixConnector, Value,
};
use slotwright_cluster::{Endpoint, Host};
use tempfile::TempDir;

use crate::{
    certificates::{Authority, Issued},
    ports::Ports,
    wait::until_blocking,
};

/// The server program: `SLOTWRIGHT_SERVER`, by default `redis-server`.
pub fn program() -> String {
    env::var("SLOTWRIGHT_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

/// A deadline no test reaches unless something hangs.
pub fn soon() -> Deadline {
    Deadline::within(Duration::from_secs(30))
}

/// A folder in the system's temporary folder, removed when dropped.
pub fn folder() -> TempDir {
    tempfile::Builder::new().prefix("slotwright-test-").tempdir_in(env::temp_dir()).unwrap()
}

/// How a server shall run. Nothing is saved on disk unless asked for, and replicas are served at once.
#[derive(Clone, Default)]
pub struct Options {
    bare: bool,
    cluster: bool,
    password: Option<String>,
    tls: Option<String>,
    configuration: String,
}

impl Options {
    /// A server on its own that has nothing set but where it listens and logs.
    pub fn bare() -> Self {
        Self { bare: true, ..Self::default() }
    }

    /// A server on its own.
    pub fn standalone() -> Self {
        Self::default()
    }

    /// A server in cluster mode that knows no other yet.
    pub fn cluster() -> Self {
        Self { cluster: true, ..Self::default() }
    }

    /// The default user and the replicas need this password.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// The port takes TLS only, with this certificate, and asks clients for one of `authority`. What the test itself asks
    /// goes through the Unix socket.
    pub fn tls(mut self, authority: &Authority, own: &Issued) -> Self {
        let (ca, certificate, key) = (authority.ca(), &own.certificate, &own.key);
        self.tls = Some(format!(
            "tls-ca-cert-file {}\ntls-cert-file {}\ntls-key-file {}\n",
            ca.display(),
            certificate.display(),
            key.display()
        ));
        self
    }

    /// A line of the configuration file, after all that is set by default.
    pub fn directive(mut self, line: &str) -> Self {
        self.configuration.push_str(line);
        self.configuration.push('\n');
        self
    }

    /// Starts a server on a port of its own.
    pub fn start(&self) -> Server {
        self.start_at(Ports::reserve(1))
    }

    /// Starts a server on this port.
    pub fn start_at(&self, port: Ports) -> Server {
        let folder = folder();
        fs::write(folder.path().join("redis.conf"), self.render(port.first())).unwrap();
        let mut server =
            Server { folder, port, child: None, password: self.password.clone(), tls: self.tls.is_some() };
        server.start();
        server
    }

    /// Starts servers at the same time.
    pub fn start_many(&self, count: u16) -> Vec<Server> {
        let ports = Ports::reserve(count).split();
        std::thread::scope(|scope| {
            let starting: Vec<_> =
                ports.into_iter().map(|port| scope.spawn(move || self.start_at(port))).collect();
            starting.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    fn render(&self, port: u16) -> String {
        let mut text = match &self.tls {
            None => format!("port {port}\n"),
            Some(files) => format!("port 0\ntls-port {port}\ntls-replication yes\n{files}"),
        };
        text.push_str("bind 127.0.0.1\nunixsocket s\nlogfile server.log\n");
        if !self.bare {
            text.push_str("save \"\"\nappendonly no\nrepl-diskless-sync-delay 0\n");
        }
        if self.cluster {
            text.push_str("cluster-enabled yes\ncluster-node-timeout 2000\n");
            if self.tls.is_some() {
                text.push_str("tls-cluster yes\n");
            }
        }
        if let Some(password) = &self.password {
            text.push_str(&format!("requirepass {password}\nmasterauth {password}\n"));
        }
        text.push_str(&self.configuration);
        text
    }
}

/// A server of a test. Killed, and its folder removed, when dropped.
pub struct Server {
    folder: TempDir,
    port: Ports,
    child: Option<Child>,
    password: Option<String>,
    tls: bool,
}

impl Server {
    /// Starts the server again in its folder; waits until it answers.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "{self:?} runs already");
        let program = program();
        let child = Command::new(&program)
            .arg("redis.conf")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{program} cannot be started ({error}); `cargo xtask test` installs what the tests need"
                )
            });
        self.child = Some(child);
        until_blocking("the server answers", || {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().unwrap()) {
                panic!("{self:?} ended ({status}):\n{}", self.log());
            }
            self.answers()
        });
    }

    /// Any reply but "loading" will do: an error tells that the server reads commands.
    fn answers(&self) -> Result<(), String> {
        let patience = Some(Duration::from_secs(5));
        let reply = if self.tls {
            let stream = UnixStream::connect(self.socket());
            stream.and_then(|stream| stream.set_read_timeout(patience).and_then(|()| greet(stream)))
        } else {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port()));
            stream.and_then(|stream| stream.set_read_timeout(patience).and_then(|()| greet(stream)))
        };
        let reply = reply.map_err(|error| error.to_string())?;
        if reply.starts_with(b"-LOADIN") { Err("loading".to_owned()) } else { Ok(()) }
    }

    /// Ends the process as `SIGTERM` does, and waits for that.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        self.await_end();
    }

    /// Ends the process as a crash does (`SIGKILL`), and waits for that.
    pub fn kill9(&mut self) {
        self.signal(Signal::KILL);
        self.await_end();
    }

    /// Stops and starts again.
    pub fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// Waits until the process has ended.
    pub fn await_end(&mut self) {
        let what = format!("{self:?} ends");
        // The guard keeps the child until it is gone: a wait that fails must not leave it behind.
        if let Some(child) = &mut self.child {
            until_blocking(&what, || child.try_wait().unwrap().ok_or("it runs"));
        }
        self.child = None;
    }

    /// Stops the process where it stands (`SIGSTOP`); the system still accepts connections for it.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// The process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().expect("the server is not running"))
    }

    /// The client port.
    pub fn port(&self) -> u16 {
        self.port.first()
    }

    /// Where it is dialled.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::new(Host::Ip(Ipv4Addr::LOCALHOST.into()), self.port())
    }

    /// Its folder: `redis.conf`, `nodes.conf`, `server.log` and the socket `s`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder().join("s")
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder().join("server.log")).unwrap_or_default()
    }

    /// Changes a file of a stopped server.
    pub fn edit(&self, file: &str, change: impl FnOnce(String) -> String) {
        assert!(self.child.is_none(), "{self:?} runs: it would not see, or undo, the change");
        let path = self.folder().join(file);
        fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
    }

    /// The password it was started with.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The password, as credentials of the default user.
    pub fn credentials(&self) -> Option<Credentials> {
        self.password.as_deref().map(Credentials::password)
    }

    /// A new connection in the newest protocol.
    pub async fn connect(&self) -> Connection {
        self.open(ProtocolPreference::NewestKnown).await
    }

    /// A new connection in this protocol.
    pub async fn open(&self, protocol: ProtocolPreference) -> Connection {
        let options = ConnectOptions::default().credentials(self.credentials()).protocol(protocol);
        self.open_with(&options).await.unwrap()
    }

    /// A new connection with these options and no others.
    pub async fn open_with(&self, options: &ConnectOptions) -> Result<Connection, Error> {
        if self.tls {
            let connector = UnixConnector::new(self.socket());
            return Connection::open(&connector, &self.endpoint(), options, soon()).await;
        }
        Connection::open(&TcpConnector, &self.endpoint(), options, soon()).await
    }

    /// One command over a connection of its own.
    pub async fn ask(&self, command: &str) -> Value {
        ask(&mut self.connect().await, command).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let from = log.lines().count().saturating_sub(40);
            println!("--- {self:?} logged at last:");
            log.lines().skip(from).for_each(|line| println!("{line}"));
        }
        if let Some(mut child) = self.child.take() {
            // Also ends a frozen process.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server on port {}", self.port())
    }
}

/// The beginning of the reply to `PING`.
fn greet(mut stream: impl Read + Write) -> io::Result<[u8; 7]> {
    let mut reply = [0; 7];
    stream.write_all(b"PING\r\n")?;
    stream.read_exact(&mut reply)?;
    Ok(reply)
}

/// A command written as one types it: words between single spaces.
pub fn request(command: &str) -> Request {
    let mut words = command.split(' ');
    Request::new(words.next().unwrap()).args(words)
}

/// Sends a command written as one types it.
pub async fn ask(connection: &mut Connection<BoxedStream>, command: &str) -> Result<Value, Error> {
    connection.call(&request(command), soon()).await
}
