//! Certificates for tests: a CA of the test's own, and what it issues, made by the `openssl` program into a folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What `openssl` knows of requests and extensions, so that nothing depends on how the system has set it up.
const CONFIGURATION: &str = "\
[req]
distinguished_name = subject
[subject]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
";

/// A CA. Its files go into the folder it was made in, and stay there.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
}

/// A certificate with its key, both PEM, good for servers and clients.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key, unencrypted.
    pub key: PathBuf,
}

impl Authority {
    /// Makes a CA in `folder`, which is created if it is not there and gives the CA its name.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let authority = Self { folder: folder.into() };
        fs::create_dir_all(&authority.folder).unwrap();
        fs::write(authority.folder.join("openssl.cnf"), CONFIGURATION).unwrap();
        let name = authority.folder.file_name().unwrap().to_str().unwrap();
        authority.openssl(&format!(
            "req -config openssl.cnf -x509 -extensions authority -subj /CN={name} -days 2 -newkey ec \
             -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt"
        ));
        authority
    }

    /// The certificate of the CA.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// Issues a certificate for these alternative names, as `openssl` writes them: `DNS:*.example`, `IP:127.0.0.1`.
    /// `name` is its subject and the name of its files; one issued under the same name before is replaced.
    pub fn issue(&self, name: &str, alternatives: &[&str]) -> Issued {
        let mut extensions = "extendedKeyUsage = serverAuth, clientAuth\n".to_owned();
        if !alternatives.is_empty() {
            extensions.push_str(&format!("subjectAltName = {}\n", alternatives.join(",")));
        }
        fs::write(self.folder.join(format!("{name}.ext")), extensions).unwrap();
        self.openssl(&format!(
            "req -config openssl.cnf -new -subj /CN={name} -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
             -keyout {name}.key -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile {name}.ext \
             -out {name}.crt"
        ));
        let file = |end: &str| self.folder.join(format!("{name}.{end}"));
        Issued { certificate: file("crt"), key: file("key") }
    }

    /// Issues a certificate without any extension, which makes it one of X.509 version 1.
    pub fn issue_version_1(&self, name: &str) -> Issued {
        let issued = self.issue(name, &[]);
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out {name}.crt"
        ));
        issued
    }

    /// The CA's own certificate and key, as if it were a server.
    pub fn itself(&self) -> Issued {
        Issued { certificate: self.ca(), key: self.folder.join("ca.key") }
    }

    fn openssl(&self, arguments: &str) {
        openssl(&self.folder, arguments);
    }
}

/// Runs `openssl` in a folder; arguments are words between single spaces.
fn openssl(folder: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).current_dir(folder).stdin(Stdio::null());
    let output = command.output().unwrap_or_else(|error| {
        panic!("openssl cannot be started ({error}); `cargo xtask test` installs what the tests need")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {said}");
}
