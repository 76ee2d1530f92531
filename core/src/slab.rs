//! A table whose entries keep their places, in pages that come and go.
//!
//! One table with room for all entries there ever were would move all of them whenever it grows, and would stay
//! as large when they are gone. Here the lowest page with room takes the next entry, so that after many have left
//! the pages behind become empty, and an empty page is given back.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

use slotmap::{Key, KeyData};

/// Entries of a page: one bit each says whether it is in use.
const PAGE: usize = 64;

/// Like [`slotmap::SlotMap`]: a key of an entry that is gone finds nothing, until 2^31 others were at its place.
#[derive(Debug)]
pub struct Slab<K, V> {
    pages: Vec<Page<V>>,
    /// Those that have an entry to spare.
    room: BTreeSet<usize>,
    len: usize,
    key: PhantomData<fn(K) -> K>,
}

#[derive(Debug)]
struct Page<V> {
    /// Empty, or [`PAGE`] of them.
    slots: Box<[Slot<V>]>,
    used: u64,
    /// That of a new slot: no key of an earlier one at its place has it.
    version: u32,
}

#[derive(Debug)]
struct Slot<V> {
    /// Odd while there is a value.
    version: u32,
    value: Option<V>,
}

impl<V> Page<V> {
    fn new(version: u32) -> Self {
        Self {
            slots: Box::default(),
            used: 0,
            version,
        }
    }

    fn fill(&mut self) {
        let version = self.version;
        let slot = || Slot {
            version,
            value: None,
        };
        self.slots = std::iter::repeat_with(slot).take(PAGE).collect();
    }

    fn clear(&mut self) {
        let versions = self.slots.iter().map(|slot| slot.version);
        // They may have wrapped: what counts is how far each has come.
        let before = self.version;
        let most = versions.max_by_key(|version| version.wrapping_sub(before));
        *self = Self::new(most.unwrap_or(before));
    }
}

impl<K: Key, V> Slab<K, V> {
    pub fn new() -> Self {
        Self {
            pages: Vec::new(),
            room: BTreeSet::new(),
            len: 0,
            key: PhantomData,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn insert(&mut self, value: V) -> K {
        let at = self.room.first().copied().unwrap_or_else(|| {
            self.pages.push(Page::new(0));
            self.room.insert(self.pages.len() - 1);
            self.pages.len() - 1
        });
        let page = &mut self.pages[at];
        if page.slots.is_empty() {
            page.fill();
        }
        let index = page.used.trailing_ones() as usize;
        page.used |= 1 << index;
        if page.used == u64::MAX {
            self.room.remove(&at);
        }
        self.len += 1;
        let slot = &mut page.slots[index];
        slot.version = slot.version.wrapping_add(1);
        slot.value = Some(value);
        let index = (at * PAGE + index) as u64;
        KeyData::from_ffi(u64::from(slot.version) << 32 | index).into()
    }

    pub fn remove(&mut self, key: K) -> Option<V> {
        let (at, index, version) = parts(key);
        let page = self.pages.get_mut(at)?;
        let slot = page.slots.get_mut(index)?;
        if slot.version != version {
            return None;
        }
        let value = slot.value.take()?;
        slot.version = version.wrapping_add(1);
        page.used &= !(1 << index);
        self.len -= 1;
        self.room.insert(at);
        if page.used == 0 {
            self.release(at);
        }
        Some(value)
    }

    pub fn get(&self, key: K) -> Option<&V> {
        let (at, index, version) = parts(key);
        let slot = self.pages.get(at)?.slots.get(index)?;
        slot.value.as_ref().filter(|_| slot.version == version)
    }

    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let (at, index, version) = parts(key);
        let slot = self.pages.get_mut(at)?.slots.get_mut(index)?;
        slot.value.as_mut().filter(|_| slot.version == version)
    }

    pub fn contains_key(&self, key: K) -> bool {
        self.get(key).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        let pages = self.pages.iter().enumerate();
        pages.flat_map(|(at, page)| {
            let slots = page.slots.iter().enumerate();
            slots.filter_map(move |(index, slot)| {
                let index = (at * PAGE + index) as u64;
                let key = KeyData::from_ffi(u64::from(slot.version) << 32 | index);
                Some((key.into(), slot.value.as_ref()?))
            })
        })
    }

    pub fn keys(&self) -> impl Iterator<Item = K> {
        self.iter().map(|(key, _)| key)
    }

    pub fn values(&self) -> impl Iterator<Item = &V> + Clone {
        let slots = self.pages.iter().flat_map(|page| page.slots.iter());
        slots.filter_map(|slot| slot.value.as_ref())
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        let slots = self.pages.iter_mut().flat_map(|page| page.slots.iter_mut());
        slots.filter_map(|slot| slot.value.as_mut())
    }

    /// Gives an empty page back, unless it is the only one with room: a single entry that comes and goes at its
    /// edge must not allocate it each time.
    fn release(&mut self, at: usize) {
        if self.room.len() > 1 {
            self.pages[at].clear();
        }
    }
}

impl<K: Key, V> Default for Slab<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Key, V> Index<K> for Slab<K, V> {
    type Output = V;

    fn index(&self, key: K) -> &V {
        self.get(key).expect("a key of an entry that is there")
    }
}

impl<K: Key, V> IndexMut<K> for Slab<K, V> {
    fn index_mut(&mut self, key: K) -> &mut V {
        self.get_mut(key).expect("a key of an entry that is there")
    }
}

/// Page, slot and version.
fn parts(key: impl Key) -> (usize, usize, u32) {
    let data = key.data().as_ffi();
    let index = data as u32 as usize;
    (index / PAGE, index % PAGE, (data >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use slotmap::new_key_type;

    use super::*;
    use crate::entropy::Entropy;

    new_key_type! {
        struct Id;
    }

    #[test]
    fn it_is_what_a_map_is_and_old_keys_find_nothing() {
        let seed = 7;
        println!("seed {seed}");
        let mut chance = Entropy::new([seed; 32]);
        let mut slab = Slab::<Id, u64>::new();
        let mut map = HashMap::new();
        let mut gone = Vec::new();
        for round in 0..40_000_u64 {
            // More and more, then fewer and fewer, to nothing.
            let grows = round / 8000 % 2 == 0;
            if chance.below(10) < if grows { 8 } else { 1 } {
                let key = slab.insert(round);
                assert_eq!(map.insert(key, round), None, "a key of its own");
            } else if let Some(key) = map.keys().next().copied() {
                assert_eq!(slab.remove(key), map.remove(&key));
                assert_eq!(slab.remove(key), None);
                gone.push(key);
            }
            assert_eq!(slab.len(), map.len());
        }
        assert!(slab.iter().all(|(key, value)| map.get(&key) == Some(value)));
        assert_eq!(slab.keys().count(), map.len());
        assert!(gone.iter().all(|key| !slab.contains_key(*key)));
        slab.values_mut().for_each(|value| *value += 1);
        assert!(map.iter().all(|(key, value)| slab[*key] == value + 1));
    }

    #[test]
    fn pages_that_are_empty_are_given_back() {
        let mut slab = Slab::<Id, [u8; 100]>::new();
        let keys: Vec<Id> = (0..10 * PAGE).map(|_| slab.insert([0; 100])).collect();
        let held = |slab: &Slab<Id, _>| {
            let pages = slab.pages.iter();
            pages.filter(|page| !page.slots.is_empty()).count()
        };
        assert_eq!(held(&slab), 10);
        // All but one, in the middle.
        for key in keys.iter().filter(|key| **key != keys[5 * PAGE]) {
            slab.remove(*key);
        }
        assert!(held(&slab) <= 2, "{} pages for one entry", held(&slab));
        // Nothing old is found where pages come again.
        let again: Vec<Id> = (0..10 * PAGE).map(|_| slab.insert([1; 100])).collect();
        assert!(again.iter().all(|key| slab.contains_key(*key)));
        assert_eq!(
            keys.iter().filter(|key| slab.contains_key(**key)).count(),
            1
        );
        for key in again {
            slab.remove(key);
        }
        slab.remove(keys[5 * PAGE]);
        assert!(held(&slab) <= 2, "{} pages for nothing", held(&slab));
    }
}
