//! Long lists, in pages: shared with their copies, and the old ones in a file.
//!
//! Promises: a copy costs a pointer a page, and what is changed in one is not changed in the other. So many bytes of a
//! list are in memory and no more; a file that cannot be written is told once, and everything stays in memory.
//! Never: outlives the process. The files have no names; what stands in them can be read again from the log.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::problem::{Problem, Result, codes};

/// Entries of a page: a correction of an old one reads and writes so many.
const PAGE: usize = if cfg!(test) { 4 } else { 256 };

/// What a list may hold: it has one size.
pub(super) trait Stored: Copy {
    const BYTES: usize;

    fn write(&self, to: &mut Vec<u8>);

    /// None where there are fewer bytes than that.
    fn read(from: &mut &[u8]) -> Option<Self>;
}

macro_rules! stored_numbers {
    ($($number:ty),*) => {$(
        impl Stored for $number {
            const BYTES: usize = size_of::<$number>();

            fn write(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }

            fn read(from: &mut &[u8]) -> Option<Self> {
                let (bytes, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(Self::from_le_bytes(*bytes))
            }
        }
    )*};
}
stored_numbers!(u32, i32, i64, u128);

/// Where old pages may lie, and how much of a list stays in memory.
#[derive(Clone, Debug, Default)]
pub struct Room {
    /// None: everything stays in memory.
    pub folder: Option<Arc<Path>>,
    pub bytes: usize,
}

/// A file without a name, in places of one size.
#[derive(Debug)]
struct Store {
    file: File,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    free: Vec<u64>,
    end: u64,
}

/// A place of a page, given back when no list refers to it any more.
#[derive(Debug)]
struct Place {
    store: Arc<Store>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.store.places.lock().unwrap_or_else(PoisonError::into_inner).free.push(self.number);
    }
}

#[derive(Clone, Debug)]
enum Page<T> {
    Here(Arc<Vec<T>>),
    Away(Arc<Place>),
}

/// A list that grows at its end.
#[derive(Clone, Debug)]
pub(super) struct Pages<T> {
    pages: Vec<Page<T>>,
    len: usize,
    /// The pages that are in memory.
    here: BTreeSet<usize>,
    room: Room,
    store: Option<Arc<Store>>,
    /// It was told that no file takes them.
    is_told: bool,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), len: 0, here: BTreeSet::new(), room: Room::default(), store: None, is_told: false }
    }
}

impl<T: Stored> Pages<T> {
    pub fn within(room: Room) -> Self {
        Self { room, ..Self::default() }
    }

    pub const fn len(&self) -> usize {
        self.len
    }

    /// The entry at a place that was given out here. Errors: the file cannot be read.
    pub fn get(&self, at: u32) -> Result<T> {
        let (page, at) = split(at);
        match &self.pages[page] {
            Page::Here(entries) => Ok(entries[at]),
            Page::Away(place) => {
                let mut bytes = vec![0; T::BYTES];
                place.read(&mut bytes, at * T::BYTES, PAGE * T::BYTES)?;
                T::read(&mut &bytes[..]).ok_or_else(cut_short)
            }
        }
    }

    /// Changes an entry; its page comes into memory.
    pub fn change(&mut self, at: u32, change: impl FnOnce(&mut T)) -> Result<()> {
        let (page, at) = split(at);
        change(&mut self.fetched(page)?[at]);
        Ok(())
    }

    pub fn push(&mut self, value: T) -> Result<()> {
        let page = self.len / PAGE;
        if page == self.pages.len() {
            self.pages.push(Page::Here(Arc::default()));
            self.here.insert(page);
        }
        self.fetched(page)?.push(value);
        self.len += 1;
        Ok(())
    }

    /// Puts pages into the file until what is in memory has room.
    pub fn make_room(&mut self) {
        let most = (self.room.bytes / (PAGE * T::BYTES)).max(1);
        while self.room.folder.is_some() && self.here.len() > most {
            // The first to come is mostly the oldest; the last one is still filled.
            let Some(oldest) = self.here.first().copied().filter(|page| (page + 1) * PAGE <= self.len) else { return };
            let Page::Here(entries) = &self.pages[oldest] else { return };
            match self.put_away(&entries.clone()) {
                Ok(place) => {
                    self.pages[oldest] = Page::Away(Arc::new(place));
                    self.here.remove(&oldest);
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.is_told, true) {
                        tracing::warn!(%error, "old rows stay in memory: no file takes them");
                    }
                    return;
                }
            }
        }
    }

    fn fetched(&mut self, page: usize) -> Result<&mut Vec<T>> {
        if let Page::Away(place) = &self.pages[page] {
            let mut bytes = vec![0; PAGE * T::BYTES];
            place.read(&mut bytes, 0, PAGE * T::BYTES)?;
            let mut rest = &bytes[..];
            let entries: Option<Vec<T>> = (0..PAGE).map(|_| T::read(&mut rest)).collect();
            self.pages[page] = Page::Here(Arc::new(entries.ok_or_else(cut_short)?));
            self.here.insert(page);
        }
        match &mut self.pages[page] {
            Page::Here(entries) => Ok(Arc::make_mut(entries)),
            Page::Away(_) => Err(cut_short()),
        }
    }

    fn put_away(&mut self, entries: &[T]) -> std::io::Result<Place> {
        let store = match (&self.store, &self.room.folder) {
            (Some(store), _) => store.clone(),
            (None, Some(folder)) => Arc::new(Store { file: tempfile::tempfile_in(folder)?, places: Mutex::default() }),
            (None, None) => return Err(std::io::ErrorKind::NotFound.into()),
        };
        self.store = Some(store.clone());
        let mut bytes = Vec::with_capacity(PAGE * T::BYTES);
        entries.iter().for_each(|entry| entry.write(&mut bytes));
        let number = store.place();
        let place = Place { store, number };
        place.store.file.write_all_at(&bytes, number * (PAGE * T::BYTES) as u64)?;
        Ok(place)
    }
}

impl Store {
    fn place(&self) -> u64 {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.free.pop().unwrap_or_else(|| {
            places.end += 1;
            places.end - 1
        })
    }
}

impl Place {
    fn read(&self, bytes: &mut [u8], offset: usize, page_bytes: usize) -> Result<()> {
        let at = self.number * page_bytes as u64 + offset as u64;
        let read = self.store.file.read_exact_at(bytes, at);
        read.map_err(|error| Problem::new(codes::IO, "old rows, in a file without a name", error.to_string()))
    }
}

fn split(at: u32) -> (usize, usize) {
    (at as usize / PAGE, at as usize % PAGE)
}

fn cut_short() -> Box<Problem> {
    Problem::new(codes::IO, "old rows, in a file without a name", "a page is cut short")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: u32 = 5_000;

    fn room(bytes: usize) -> (tempfile::TempDir, Room) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().into();
        (folder, Room { folder: Some(path), bytes })
    }

    fn all(list: &Pages<i64>) -> Vec<i64> {
        (0..list.len() as u32).map(|at| list.get(at).unwrap()).collect()
    }

    #[test]
    fn what_lies_in_the_file_is_what_was_put_in_and_a_copy_keeps_it() {
        let (_folder, room) = room(3 * PAGE * 8);
        let mut list = Pages::within(room);
        let mut expected = Vec::new();
        for value in 0..i64::from(COUNT) {
            list.push(value * 7 - 3).unwrap();
            list.make_room();
            expected.push(value * 7 - 3);
        }
        assert!(list.here.len() <= 3 && list.pages.len() == 5_000 / PAGE);
        assert_eq!(all(&list), expected);
        let copy = list.clone();
        for at in (0..COUNT).step_by(11) {
            list.change(at, |value| *value = -*value).unwrap();
            list.make_room();
        }
        assert_eq!(all(&copy), expected);
        expected.iter_mut().step_by(11).for_each(|value| *value = -*value);
        assert_eq!(all(&list), expected);
        let pages = list.store.as_ref().map(|store| store.places.lock().unwrap().end);
        drop(copy);
        // What no list refers to is written over: the file does not grow by what is changed.
        for round in 0..10 {
            for at in (0..COUNT).step_by(PAGE) {
                list.change(at, |value| *value = round).unwrap();
                list.make_room();
            }
        }
        assert_eq!(list.store.as_ref().map(|store| store.places.lock().unwrap().end), pages);
    }

    #[test]
    fn without_a_file_everything_stays_in_memory() {
        let (folder, room) = room(PAGE * 8);
        drop(folder);
        let mut list = Pages::within(room);
        for value in 0..i64::from(COUNT) {
            list.push(value).unwrap();
            list.make_room();
        }
        assert_eq!(list.here.len(), list.pages.len());
        assert_eq!(all(&list), (0..i64::from(COUNT)).collect::<Vec<_>>());
    }
}
