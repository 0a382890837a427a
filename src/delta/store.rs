//! Files that survive a power cut: data is synced before its name appears, and the name before we go on.
//!
//! Promises: `put` = temporary file → sync → link or rename → sync folder. A file under its final name is whole.
//! Never: follows the library's own `put`, which syncs nothing.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use super::repair::LOG_FOLDER;
use crate::fault;
use crate::problem::Problem;

const STORE: &str = "DurableStore";

/// A local file system whose writes are ordered and synced. Paths are absolute, without their first slash.
#[derive(Debug)]
pub struct DurableStore {
    inner: LocalFileSystem,
    staged: AtomicU64,
}

impl Default for DurableStore {
    fn default() -> Self {
        Self { inner: LocalFileSystem::new(), staged: AtomicU64::new(0) }
    }
}

impl fmt::Display for DurableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STORE)
    }
}

impl DurableStore {
    fn staging(&self, target: &FsPath) -> PathBuf {
        // Several processes may stage for the same name: the process id keeps them apart.
        let n = self.staged.fetch_add(1, Ordering::Relaxed);
        let mut name = target.as_os_str().to_owned();
        name.push(format!("#{}-{n}", std::process::id()));
        PathBuf::from(name)
    }
}

/// Writes a whole file durably. `Create` refuses an existing name.
pub fn put_durably(target: &FsPath, staging: &FsPath, payload: &[Bytes], mode: &PutMode) -> io::Result<()> {
    let folder = target.parent().unwrap_or_else(|| FsPath::new("/"));
    create_folders_durably(folder)?;
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(staging)?;
        for part in payload {
            file.write_all(part)?;
        }
        file.sync_all()?;
        match mode {
            PutMode::Create => fs::hard_link(staging, target),
            PutMode::Overwrite | PutMode::Update(_) => fs::rename(staging, target),
        }
    })();
    // After a rename it is gone, after a link it is no longer needed, after a failed sync it must not be synced again.
    let _ = fs::remove_file(staging);
    written?;
    sync_folder(folder)
}

/// Makes a folder and those above it, each synced into its parent.
pub fn create_folders_durably(folder: &FsPath) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_folders_durably(parent)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    folder.parent().map_or(Ok(()), sync_folder)
}

/// Makes the names in a folder durable.
pub fn sync_folder(folder: &FsPath) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn error_of(error: io::Error, path: &FsPath) -> Error {
    let path = path.display().to_string();
    match error.kind() {
        io::ErrorKind::AlreadyExists => Error::AlreadyExists { path, source: error.into() },
        io::ErrorKind::NotFound => Error::NotFound { path, source: error.into() },
        _ => Error::Generic { store: STORE, source: error.into() },
    }
}

/// Where a test may stop a put.
fn points(target: &FsPath) -> [&'static str; 2] {
    match target.parent().is_some_and(|folder| folder.ends_with(LOG_FOLDER)) {
        true => ["store::log_put_before", "store::log_put_after"],
        false => ["store::data_put_before", "store::data_put_after"],
    }
}

fn planned(problem: Box<Problem>) -> Error {
    Error::Generic { store: STORE, source: problem }
}

#[async_trait]
impl ObjectStore for DurableStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let target = self.inner.path_to_filesystem(location)?;
        let staging = self.staging(&target);
        let [before, after] = points(&target);
        fault::reached(before).await.map_err(planned)?;
        let parts: Vec<Bytes> = payload.into_iter().collect();
        let done = tokio::task::spawn_blocking(move || {
            put_durably(&target, &staging, &parts, &opts.mode).map_err(|error| error_of(error, &target))
        });
        done.await.map_err(|error| Error::Generic { store: STORE, source: error.into() })??;
        fault::reached(after).await.map_err(planned)?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(SyncedUpload { inner, target: self.inner.path_to_filesystem(location)? }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// A checkpoint comes in parts; it is synced when whole, and a torn one is found at the next start.
#[derive(Debug)]
struct SyncedUpload {
    inner: Box<dyn MultipartUpload>,
    target: PathBuf,
}

#[async_trait]
impl MultipartUpload for SyncedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let done = self.inner.complete().await?;
        let target = self.target.clone();
        let synced = tokio::task::spawn_blocking(move || {
            File::open(&target)
                .and_then(|file| file.sync_all())
                .and_then(|()| target.parent().map_or(Ok(()), sync_folder))
                .map_err(|error| error_of(error, &target))
        });
        synced.await.map_err(|error| Error::Generic { store: STORE, source: error.into() })??;
        Ok(done)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

/// The store that every table is opened with.
pub fn durable_store() -> Arc<dyn ObjectStore> {
    Arc::new(DurableStore::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_exists_is_refused_and_its_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = DurableStore::default();
        let path = Path::from_absolute_path(folder.path().join("a/b.json")).unwrap();
        let create = || PutOptions { mode: PutMode::Create, ..Default::default() };
        store.put_opts(&path, "one".into(), create()).await.unwrap();
        let again = store.put_opts(&path, "two".into(), create()).await;
        assert!(matches!(again, Err(Error::AlreadyExists { .. })));
        assert_eq!(fs::read_to_string(folder.path().join("a/b.json")).unwrap(), "one");
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 1, "no staging file is left");
    }
}
