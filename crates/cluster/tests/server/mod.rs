//! A server of its own for a test, and a connection to it: no part of the crate.

#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use slotwright_cluster::Reply;

/// A server in a directory of its own, reached by a socket there; stopped and removed when dropped.
pub struct Server {
    child: Child,
    directory: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Server {
    /// Starts the program `SLOTWRIGHT_SERVER` names, by default `redis-server`.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with("", arguments)
    }

    /// The same, with this text as its configuration file.
    pub fn start_with(configuration: &str, arguments: &[&str]) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let program = env::var("SLOTWRIGHT_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let directory = env::temp_dir().join(format!("slotwright-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("redis.conf"), configuration).unwrap();
        let mut child = Command::new(&program)
            .args(["redis.conf", "--port", "0", "--unixsocket", "s"])
            .args(arguments)
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
        let deadline = Instant::now() + Duration::from_secs(10);
        let stream = loop {
            match UnixStream::connect(directory.join("s")) {
                Ok(stream) => break BufReader::new(stream),
                Err(error) if Instant::now() > deadline => {
                    let _ = child.kill();
                    panic!("{program} does not listen: {error}");
                }
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        };
        Self { child, directory, stream }
    }

    /// Sends a command and reads its reply; the text of an error reply as the error.
    pub fn ask(&mut self, words: &[&str]) -> Result<Reply, String> {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.stream.get_mut().write_all(command.as_bytes()).unwrap();
        self.reply()
    }

    fn reply(&mut self) -> Result<Reply, String> {
        let mut head = String::new();
        self.stream.read_line(&mut head).unwrap();
        let (kind, rest) = head.trim_end().split_at(1);
        let length = || rest.parse::<i64>().unwrap();
        Ok(match kind {
            "-" => return Err(rest.to_owned()),
            "+" => Reply::Text(rest.as_bytes().to_vec()),
            ":" => Reply::Integer(length()),
            "_" => Reply::Nil,
            "$" | "*" if length() < 0 => Reply::Nil,
            "$" | "=" => {
                let mut bytes = vec![0; usize::try_from(length()).unwrap() + 2];
                self.stream.read_exact(&mut bytes).unwrap();
                bytes.truncate(bytes.len() - 2);
                // A verbatim string has its format in front.
                Reply::Text(if kind == "=" { bytes.split_off(4) } else { bytes })
            }
            "*" | "~" => Reply::Array((0..length()).map(|_| self.reply()).collect::<Result<_, _>>()?),
            "%" => {
                let pairs = (0..length()).map(|_| Ok((self.reply()?, self.reply()?)));
                Reply::Map(pairs.collect::<Result<_, String>>()?)
            }
            _ => Reply::Other,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The texts of an array.
pub fn texts(reply: &Reply) -> Vec<String> {
    reply.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// Names and values of a map.
pub fn pairs(reply: &Reply) -> Vec<(String, String)> {
    let text = |reply: &Reply| reply.as_str().unwrap().to_owned();
    reply.pairs().unwrap().into_iter().map(|(name, value)| (text(name), text(value))).collect()
}
