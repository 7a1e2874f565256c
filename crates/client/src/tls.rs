//! STUB
#![allow(missing_docs)]
use crate::connector::*;
use secrecy::SecretString;
use slotwright_cluster::Endpoint;
#[derive(Debug, Clone)]
pub struct TlsOptions;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct TlsError;
impl TlsOptions {
    pub fn from_pem(_: &[u8], _: Option<(&[u8], &SecretString)>) -> Result<Self, TlsError> {
        Ok(Self)
    }
}
pub struct TlsConnector<C>(C);
impl<C> TlsConnector<C> {
    pub fn new(c: C, _: TlsOptions) -> Self {
        Self(c)
    }
    pub fn server_name(self, _: &str) -> Result<Self, TlsError> {
        Ok(self)
    }
}
impl<C: Connector> Connector for TlsConnector<C> {
    fn connect<'a>(&'a self, e: &'a Endpoint) -> Connecting<'a> {
        self.0.connect(e)
    }
}
