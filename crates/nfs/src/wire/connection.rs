//! One TCP connection to an RPC service, where every call has a deadline.
//!
//! After a call without a readable answer the connection is not used again: the answer may still come.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use nfs3_client::{
    RpcError,
    nfs3_types::{
        rpc::{auth_unix, opaque_auth},
        xdr_codec::{self, Opaque, Pack, Unpack},
    },
    rpc::RpcClient,
};
use tokio::net::TcpSocket;

use super::{error::Error, records::Records};

/// Source ports that only root may take and that Linux's own client uses (`sunrpc.min_resvport`, `max_resvport`).
const PRIVILEGED: std::ops::RangeInclusive<u16> = 665..=1023;

/// How long things may take: each call, and all together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) deadline: Instant,
    pub(crate) call: Duration,
}

impl Budget {
    /// What is left for the next call.
    pub(crate) fn slice(&self) -> Duration {
        self.call.min(self.deadline.saturating_duration_since(Instant::now()))
    }

    pub(crate) async fn run<T>(&self, what: &'static str, work: impl Future<Output = T>) -> Result<T, Error> {
        let limit = self.slice();
        if limit.is_zero() {
            return Err(Error::OutOfTime { what });
        }
        tokio::time::timeout(limit, work).await.map_err(|_| Error::Timeout { what, limit })
    }

    /// Waits, unless that would take longer than there is time.
    pub(crate) async fn pause(&self, pause: Duration) -> bool {
        if Instant::now() + pause >= self.deadline {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }
}

/// Who calls: AUTH_SYS (RFC 5531, appendix A).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Caller {
    fn credential(self) -> opaque_auth<'static> {
        opaque_auth::auth_unix(&auth_unix {
            stamp: 0,
            machinename: Opaque::borrowed(b"slotwright"),
            uid: self.uid,
            gid: self.gid,
            gids: Vec::new(),
        })
    }
}

/// Which source port was to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourcePort {
    /// Below 1024, as `secure` exports want it.
    Privileged,
    /// Any, as it was asked for.
    Any,
    /// Any, because this process may not take one below 1024.
    NotPermitted,
}

/// A connection that makes calls as one user.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Gone after the first call that went wrong in a way that leaves the stream in doubt.
    rpc: Option<RpcClient<Records>>,
    pub(crate) budget: Budget,
    pub(crate) source_port: SourcePort,
}

impl Connection {
    /// Connects to the first of the addresses that answers.
    pub(crate) async fn open(
        addresses: &[SocketAddr],
        caller: Caller,
        privileged: bool,
        budget: Budget,
    ) -> Result<Self, Error> {
        let mut last = Error::Input("no address to connect to".to_owned());
        for &address in addresses {
            match budget.run("connecting", connect(address, privileged)).await {
                Ok(Ok((stream, source_port))) => {
                    stream.set_nodelay(true).map_err(|source| Error::Connect { address, source })?;
                    let credential = caller.credential();
                    let rpc =
                        RpcClient::new_with_auth(Records::new(stream), credential, opaque_auth::default());
                    return Ok(Self { rpc: Some(rpc), budget, source_port });
                }
                Ok(Err(source)) => last = Error::Connect { address, source },
                Err(Error::Timeout { limit, .. }) => {
                    let source =
                        io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {limit:.1?}"));
                    last = Error::Connect { address, source };
                }
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Calls a procedure and returns the bytes of its result.
    pub(crate) async fn call<A: Pack + Send + Sync>(
        &mut self,
        what: &'static str,
        (program, version, procedure): (u32, u32, u32),
        arguments: &A,
    ) -> Result<Vec<u8>, Error> {
        let Some(mut rpc) = self.rpc.take() else {
            return Err(Error::Broken { what, source: io::ErrorKind::NotConnected.into() });
        };
        let outcome =
            self.budget.run(what, rpc.call::<A, Raw>(program, version, procedure, arguments)).await?;
        let error = match outcome {
            Ok(Raw(bytes)) => {
                self.rpc = Some(rpc);
                return Ok(bytes);
            }
            Err(error) => error,
        };
        let refused = match error {
            RpcError::Io(source) if source.kind() == io::ErrorKind::InvalidData => {
                return Err(Error::Garbled { what, why: source.to_string() });
            }
            RpcError::Io(source) => return Err(Error::Broken { what, source }),
            RpcError::ProgMismatch { low, high } => Error::Version { what, low, high },
            RpcError::ProgUnavail => Error::NoProgram { what },
            RpcError::ProcUnavail | RpcError::GarbageArgs => Error::NoProcedure { what },
            RpcError::Auth(why) => Error::Rejected { what, why: why.to_string() },
            RpcError::SystemErr => Error::Rejected { what, why: "a fault of the system".to_owned() },
            other => return Err(Error::Garbled { what, why: other.to_string() }),
        };
        // A refusal is a whole answer: the stream stands at the next record.
        self.rpc = Some(rpc);
        Err(refused)
    }
}

/// Arguments that are bytes already.
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Pack for Bytes {
    fn packed_size(&self) -> usize {
        self.0.len()
    }

    fn pack(&self, out: &mut impl io::Write) -> xdr_codec::Result<usize> {
        out.write_all(&self.0).map_err(xdr_codec::Error::Io)?;
        Ok(self.0.len())
    }
}

/// A result as it came, to the end of its record. The decoders of `nfs3_types` reserve what a length claims before they
/// look whether the record holds it (16 GiB for one word of a reply to MNT), so results are read by our own.
struct Raw(Vec<u8>);

impl Unpack for Raw {
    fn unpack(input: &mut impl io::Read) -> xdr_codec::Result<(Self, usize)> {
        let mut bytes = Vec::new();
        let count = input.read_to_end(&mut bytes).map_err(xdr_codec::Error::Io)?;
        Ok((Self(bytes), count))
    }
}

/// All addresses of a host.
pub(crate) async fn resolve(host: &str, port: u16, budget: &Budget) -> Result<Vec<SocketAddr>, Error> {
    let failed = |source| Error::Resolve { host: host.to_owned(), source };
    if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let addresses = budget.run("resolving the host", tokio::net::lookup_host((host, port))).await?;
    let addresses: Vec<SocketAddr> = addresses.map_err(failed)?.collect();
    if addresses.is_empty() {
        return Err(failed(io::ErrorKind::NotFound.into()));
    }
    Ok(addresses)
}

async fn connect(address: SocketAddr, privileged: bool) -> io::Result<(tokio::net::TcpStream, SourcePort)> {
    if !privileged {
        return Ok((socket_for(address)?.connect(address).await?, SourcePort::Any));
    }
    let local: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // Where one begins is of no matter, so long as two calls in a row do not begin at the same port.
    let ports = PRIVILEGED.end() - PRIVILEGED.start() + 1;
    let first = getrandom::u32().map_or(0, |number| number % u32::from(ports));
    for step in 0..u32::from(ports) {
        let port = PRIVILEGED.start() + u16::try_from((first + step) % u32::from(ports)).unwrap_or(0);
        let socket = socket_for(address)?;
        match socket.bind(SocketAddr::new(local, port)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Ok((socket_for(address)?.connect(address).await?, SourcePort::NotPermitted));
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => continue,
            Err(error) => return Err(error),
        }
        match socket.connect(address).await {
            Ok(stream) => return Ok((stream, SourcePort::Privileged)),
            // The same pair of ports was in use a moment ago.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "every source port from 665 to 1023 is in use"))
}

fn socket_for(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    Ok(socket)
}
