//! A Redis server in a machine, and a client on this system that writes to it and remembers what was acknowledged.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use slotwright_tests::{
    nfs::vm::{Machine, Root},
    outside::{Reply, Talk},
    wait::until_blocking,
};

/// Where it listens in the machine.
pub(crate) const PORT: u16 = 6379;

/// What Redis says when somebody else holds the lock on its `nodes.conf`.
pub(crate) const LOCKED: &str = "is already used by a different Redis Cluster node";

/// Starts a server as its user and waits until it answers, or has ended; then its log is printed.
const START: &str = r#"
: >/tmp/redis.log
chmod 666 /tmp/redis.log
setsid su -s /bin/sh redis -c 'exec redis-server /tmp/redis.conf' >/dev/null 2>&1 &
until redis-cli ping 2>/dev/null | grep -q PONG; do
    if ! kill -0 $!; then
        cat /tmp/redis.log
        exit 1
    fi
    usleep 50000
done
"#;

/// The programs of a machine that runs it.
pub(crate) fn add(root: &mut Root) {
    root.program("redis-server");
    root.program("redis-cli");
}

/// Its configuration: the strictest that Redis has.
pub(crate) fn configure(machine: &mut Machine, folder: &str) {
    machine.ok(&format!(
        "cat >/tmp/redis.conf <<END\nport {PORT}\nbind * -::*\nprotected-mode no\ndir {folder}\nlogfile /tmp/redis.log\n\
         cluster-enabled yes\ncluster-node-timeout 1000\nappendonly yes\nappendfsync always\nsave \"\"\nEND"
    ));
}

/// Starts it; the error is its log.
pub(crate) fn start(machine: &mut Machine) -> Result<(), String> {
    let output = machine.run(START);
    if output.status == 0 { Ok(()) } else { Err(output.text) }
}

/// Ends it in the hardest way.
pub(crate) fn kill(machine: &mut Machine) {
    machine.ok("kill -9 $(pidof redis-server); while pidof redis-server >/dev/null; do usleep 20000; done");
}

/// Waits until it serves all slots, which takes it a while after every start.
pub(crate) fn await_cluster(machine: &mut Machine) {
    machine.ok("until redis-cli cluster info | grep -q cluster_state:ok; do usleep 100000; done");
}

/// Writes one key after another until it is stopped; connects again whenever a connection ends.
pub(crate) struct Writer {
    acknowledged: Arc<Mutex<Vec<u64>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Writes to the server behind this port of ours.
    pub(crate) fn new(port: u16) -> Self {
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, ended) = (Arc::clone(&acknowledged), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut talk = None;
            let mut next = 0;
            while !ended.load(Ordering::Relaxed) {
                let Some(connection) = &mut talk else {
                    talk = Talk::to(port, None).ok();
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                };
                // A key that was not acknowledged may be there or not: it is never used again.
                next += 1;
                match connection.ask(&["SET", &key(next), &next.to_string()]) {
                    Ok(Reply::Text(text)) if text == "OK" => seen.lock().unwrap().push(next),
                    Ok(_) => std::thread::sleep(Duration::from_millis(20)),
                    Err(_) => talk = None,
                }
            }
        });
        Self { acknowledged, stop, thread: Some(thread) }
    }

    /// How many writes were acknowledged.
    pub(crate) fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Waits until so many more were acknowledged.
    pub(crate) fn await_more(&self, more: usize) {
        let enough = self.count() + more;
        until_blocking("writes are acknowledged", || match self.count() {
            count if count >= enough => Ok(()),
            count => Err(count),
        });
    }

    /// Ends it; returns all that was acknowledged.
    pub(crate) fn stop(mut self) -> Vec<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        std::mem::take(&mut self.acknowledged.lock().unwrap())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Fails unless every acknowledged write can be read.
pub(crate) fn check(port: u16, acknowledged: &[u64]) {
    let mut talk = Talk::to(port, None).unwrap();
    for numbers in acknowledged.chunks(500) {
        let keys: Vec<String> = numbers.iter().map(|number| key(*number)).collect();
        let words: Vec<&str> = std::iter::once("MGET").chain(keys.iter().map(String::as_str)).collect();
        let Reply::List(values) = talk.ask(&words).unwrap() else { panic!("no list") };
        for (number, value) in numbers.iter().zip(values) {
            assert_eq!(value, Reply::Text(number.to_string()), "an acknowledged write is lost");
        }
    }
}

/// All in one slot, so that many are read at once.
fn key(number: u64) -> String {
    format!("{{k}}{number}")
}
