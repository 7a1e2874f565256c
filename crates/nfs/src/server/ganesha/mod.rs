//! stand-in
#![allow(missing_docs, unused)]
use super::*;
pub struct GaneshaFiles {
    pub config: PathBuf,
    pub folder: PathBuf,
    pub bus: Option<String>,
}
#[derive(Debug, Clone)]
pub struct Ganesha {
    x: PathBuf,
}
impl Ganesha {
    pub fn new(files: GaneshaFiles, name: &str) -> Self {
        Self { x: files.config }
    }
    pub(super) fn config_file(&self) -> &Path {
        &self.x
    }
    pub(super) fn render(&self, _: &[Export]) -> Result<String, Error> {
        Ok(String::new())
    }
    pub(super) fn configuration(&self) -> Result<Configuration, Error> {
        Ok(Configuration::default())
    }
    pub(super) fn files(&self, _: &Configuration, _: &[Export]) -> Result<Vec<FileChange>, Error> {
        Ok(vec![])
    }
    pub(super) async fn served(&self) -> Result<Vec<Served>, Error> {
        Ok(vec![])
    }
    pub(super) async fn check_running(&self) -> Result<(), Error> {
        Ok(())
    }
    pub(super) async fn serve(&self, m: &Machine, e: &Export, w: Option<&Served>) -> Result<(), Error> {
        Ok(())
    }
    pub(super) async fn withdraw(&self, m: &Machine, w: &Served) -> Result<(), Error> {
        Ok(())
    }
    pub(super) async fn users(&self, w: &Served) -> Result<Vec<User>, Error> {
        Ok(vec![])
    }
    pub(super) fn findings(&self, e: &[Export]) -> Result<Vec<Finding>, Error> {
        Ok(vec![])
    }
}
pub(super) fn same_grants(a: &[Grant], b: &[Grant]) -> bool {
    a == b
}
