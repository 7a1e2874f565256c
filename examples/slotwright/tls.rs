//! TLS towards the nodes of a seed's cluster, with the files that the command line names.

use std::{fs, io, path::Path, sync::Arc};

use slotwright_client::{TcpConnector, TlsConnector, TlsError, TlsOptions};
use slotwright_deploy::{Effects, Error};

use crate::cli::Login;

/// The way to the nodes: TCP, or TLS over it when CAs are named.
pub(crate) fn effects(login: &Login) -> Result<Effects, Error> {
    let Some(ca) = &login.tls_ca else {
        return Ok(Effects::default());
    };
    let authorities = fs::read(ca).map_err(unreadable(ca, "name another file with --tls-ca"))?;
    // The command line has both or neither.
    let identity = match login.tls_cert.as_ref().zip(login.tls_key.as_ref()) {
        None => None,
        Some((certificate, key)) => {
            let chain = fs::read(certificate)
                .map_err(unreadable(certificate, "name another file with --tls-cert"))?;
            let key = fs::read_to_string(key).map_err(unreadable(key, "name another file with --tls-key"))?;
            Some((chain, key.into()))
        }
    };
    let identity = identity.as_ref().map(|(chain, key)| (chain.as_slice(), key));
    let options = TlsOptions::from_pem(&authorities, identity).map_err(unusable(login))?;
    let mut connector = TlsConnector::new(TcpConnector, options);
    if let Some(name) = &login.tls_server_name {
        connector = connector.server_name(name).map_err(unusable(login))?;
    }
    Ok(Effects::default().through(Arc::new(connector)))
}

fn unreadable(path: &Path, remedy: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Folder { action: "read", path: path.to_path_buf(), remedy, source }
}

/// The option whose value is wrong, before what is wrong with it.
fn unusable(login: &Login) -> impl FnOnce(TlsError) -> Error {
    move |source| {
        let (option, file) = match &source {
            TlsError::Authority(_) => ("--tls-ca", &login.tls_ca),
            TlsError::Certificate(_) => ("--tls-cert", &login.tls_cert),
            TlsError::Key(_) => ("--tls-key", &login.tls_key),
            _ => ("--tls-server-name", &None),
        };
        let file = file.as_ref().map(|file| format!(" {}", file.display())).unwrap_or_default();
        Error::Tls { place: format!("{option}{file}"), source: source.into() }
    }
}
