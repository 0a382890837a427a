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
use futures::StreamExt;
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

/// The calls that make a file durable, one by one: a test records them and cuts the power between any two.
pub trait Disk: fmt::Debug + Send + Sync {
    fn create_folder(&self, folder: &FsPath) -> io::Result<()>;
    /// Makes or empties the file, and writes it.
    fn write(&self, file: &FsPath, parts: &[Bytes]) -> io::Result<File>;
    /// `open` is what was written: an error of its writes is told to whoever held it open.
    fn sync_file(&self, open: &File, file: &FsPath) -> io::Result<()>;
    /// Refuses a name that exists.
    fn link(&self, from: &FsPath, to: &FsPath) -> io::Result<()>;
    fn rename(&self, from: &FsPath, to: &FsPath) -> io::Result<()>;
    fn remove(&self, file: &FsPath) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &FsPath) -> io::Result<()>;
}

/// The operating system's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Os;

impl Disk for Os {
    fn create_folder(&self, folder: &FsPath) -> io::Result<()> {
        fs::create_dir(folder)
    }

    fn write(&self, file: &FsPath, parts: &[Bytes]) -> io::Result<File> {
        let mut open = OpenOptions::new().write(true).create(true).truncate(true).open(file)?;
        for part in parts {
            open.write_all(part)?;
        }
        Ok(open)
    }

    fn sync_file(&self, open: &File, _: &FsPath) -> io::Result<()> {
        open.sync_all()
    }

    fn link(&self, from: &FsPath, to: &FsPath) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn rename(&self, from: &FsPath, to: &FsPath) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, file: &FsPath) -> io::Result<()> {
        fs::remove_file(file)
    }

    fn sync_folder(&self, folder: &FsPath) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

/// A local file system whose writes are ordered and synced. Paths are absolute, without their first slash.
#[derive(Debug)]
pub struct DurableStore {
    inner: LocalFileSystem,
    disk: Arc<dyn Disk>,
    staged: Arc<AtomicU64>,
}

impl DurableStore {
    pub fn on(disk: Arc<dyn Disk>) -> Self {
        Self { inner: LocalFileSystem::new(), disk, staged: Arc::default() }
    }
}

impl fmt::Display for DurableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STORE)
    }
}

/// Puts files of one store: where, and under which names until they are whole.
#[derive(Clone, Debug)]
struct Putting {
    disk: Arc<dyn Disk>,
    target: PathBuf,
    staging: PathBuf,
}

impl Putting {
    fn of(store: &DurableStore, location: &Path) -> Result<Self> {
        let target = store.inner.path_to_filesystem(location)?;
        // Several processes may stage for the same name: the process id keeps them apart.
        let n = store.staged.fetch_add(1, Ordering::Relaxed);
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{name}#{}-{n}", std::process::id());
        let folder = target.parent().unwrap_or_else(|| FsPath::new("/"));
        // A log folder with anything in it is a table to the library, which then makes none: a cut there would be for ever.
        let folder = if folder.ends_with(LOG_FOLDER) { folder.parent().unwrap_or(folder) } else { folder };
        Ok(Self { disk: store.disk.clone(), staging: folder.join(name), target })
    }

    async fn put(self, parts: Vec<Bytes>, mode: PutMode) -> Result<PutResult> {
        let [before, after] = points(&self.target);
        fault::reached(before).await.map_err(planned)?;
        let done = tokio::task::spawn_blocking(move || {
            put_durably(&*self.disk, &self.target, &self.staging, &parts, &mode)
                .map_err(|error| error_of(error, &self.target))
        });
        done.await.map_err(|error| Error::Generic { store: STORE, source: error.into() })??;
        fault::reached(after).await.map_err(planned)?;
        Ok(PutResult { e_tag: None, version: None })
    }
}

/// Writes a whole file durably. `Create` refuses an existing name.
pub fn put_durably(
    disk: &dyn Disk,
    target: &FsPath,
    staging: &FsPath,
    payload: &[Bytes],
    mode: &PutMode,
) -> io::Result<()> {
    let folder = target.parent().unwrap_or_else(|| FsPath::new("/"));
    create_folders_durably(disk, folder)?;
    let written = (|| {
        let file = disk.write(staging, payload)?;
        disk.sync_file(&file, staging)?;
        match mode {
            PutMode::Create => disk.link(staging, target),
            PutMode::Overwrite | PutMode::Update(_) => disk.rename(staging, target),
        }
    })();
    // After a rename it is gone, after a link it is no longer needed, after a failed sync it must not be synced again.
    let _ = disk.remove(staging);
    written?;
    disk.sync_folder(folder)
}

/// Makes a folder and those above it, each synced into its parent.
pub fn create_folders_durably(disk: &dyn Disk, folder: &FsPath) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_folders_durably(disk, parent)?;
    }
    match disk.create_folder(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    folder.parent().map_or(Ok(()), |parent| disk.sync_folder(parent))
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
        Putting::of(self, location)?.put(payload.into_iter().collect(), opts.mode).await
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(WholeUpload { putting: Putting::of(self, location)?, parts: Vec::new() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (disk, inner) = (self.disk.clone(), LocalFileSystem::new());
        let deleted = locations.map(move |location| {
            let location = location?;
            let path = inner.path_to_filesystem(&location)?;
            disk.remove(&path).map_err(|error| error_of(error, &path))?;
            Ok(location)
        });
        deleted.boxed()
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

/// A checkpoint comes in parts; it is put when it is whole, as any other file.
#[derive(Debug)]
struct WholeUpload {
    putting: Putting,
    parts: Vec<Bytes>,
}

#[async_trait]
impl MultipartUpload for WholeUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts.extend(data);
        Box::pin(std::future::ready(Ok(())))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.putting.clone().put(std::mem::take(&mut self.parts), PutMode::Overwrite).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_exists_is_refused_and_its_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = DurableStore::on(Arc::new(Os));
        let path = Path::from_absolute_path(folder.path().join("a/b.json")).unwrap();
        let create = || PutOptions { mode: PutMode::Create, ..Default::default() };
        store.put_opts(&path, "one".into(), create()).await.unwrap();
        let again = store.put_opts(&path, "two".into(), create()).await;
        assert!(matches!(again, Err(Error::AlreadyExists { .. })));
        assert_eq!(fs::read_to_string(folder.path().join("a/b.json")).unwrap(), "one");
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 1, "no staging file is left");
    }
}
