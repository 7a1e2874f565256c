//! Two sets of slots: union, intersection, difference, comparison.

use core::cmp::Ordering;
use core::ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, Not, Sub, SubAssign};

use super::SlotSet;

impl SlotSet {
    /// The slots that are not in this set.
    ///
    /// ```
    /// use slotwright_slots::SlotSet;
    ///
    /// assert_eq!(SlotSet::new().complement(), SlotSet::full());
    /// ```
    #[must_use]
    pub fn complement(&self) -> Self {
        !self.clone()
    }

    /// The slots in either set; also `&a | &b`, and `a |= &b` in place.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self | other
    }

    /// The slots in both sets; also `&a & &b`, and `a &= &b` in place.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self & other
    }

    /// The slots in this set that are not in `other`; also `&a - &b`, and `a -= &b` in place.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self - other
    }

    /// Whether every slot of this set is in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.words.iter().zip(other.words.iter()).all(|(a, b)| a & !b == 0)
    }

    /// Whether every slot of `other` is in this set.
    #[must_use]
    pub fn is_superset(&self, other: &Self) -> bool {
        other.is_subset(self)
    }

    /// Whether the two sets have no slot in common.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.words.iter().zip(other.words.iter()).all(|(a, b)| a & b == 0)
    }

    fn update(&mut self, other: &Self, combine: impl Fn(u64, u64) -> u64) {
        for (mine, theirs) in self.words.iter_mut().zip(other.words.iter()) {
            *mine = combine(*mine, *theirs);
        }
    }
}

/// One operator in every mixture of owned and borrowed sides, and its assigning form.
macro_rules! operator {
    ($Trait:ident, $method:ident, $TraitAssign:ident, $method_assign:ident, $combine:expr) => {
        impl $TraitAssign<&SlotSet> for SlotSet {
            fn $method_assign(&mut self, other: &SlotSet) {
                self.update(other, $combine);
            }
        }

        impl $TraitAssign for SlotSet {
            fn $method_assign(&mut self, other: SlotSet) {
                self.update(&other, $combine);
            }
        }

        impl $Trait<&SlotSet> for SlotSet {
            type Output = SlotSet;

            fn $method(mut self, other: &SlotSet) -> SlotSet {
                self.update(other, $combine);
                self
            }
        }

        impl $Trait for SlotSet {
            type Output = SlotSet;

            fn $method(self, other: SlotSet) -> SlotSet {
                $Trait::$method(self, &other)
            }
        }

        impl $Trait<&SlotSet> for &SlotSet {
            type Output = SlotSet;

            fn $method(self, other: &SlotSet) -> SlotSet {
                $Trait::$method(self.clone(), other)
            }
        }

        impl $Trait<SlotSet> for &SlotSet {
            type Output = SlotSet;

            fn $method(self, other: SlotSet) -> SlotSet {
                $Trait::$method(self.clone(), &other)
            }
        }
    };
}

operator!(BitOr, bitor, BitOrAssign, bitor_assign, |a, b| a | b);
operator!(BitAnd, bitand, BitAndAssign, bitand_assign, |a, b| a & b);
operator!(Sub, sub, SubAssign, sub_assign, |a, b| a & !b);

impl Not for SlotSet {
    type Output = Self;

    fn not(mut self) -> Self {
        for word in self.words.iter_mut() {
            *word = !*word;
        }
        self
    }
}

impl Not for &SlotSet {
    type Output = SlotSet;

    fn not(self) -> SlotSet {
        !self.clone()
    }
}

impl Ord for SlotSet {
    fn cmp(&self, other: &Self) -> Ordering {
        // Up to the lowest slot d that only one set has, the sequences agree. There the set with d continues with d
        // and the other with something higher, so the set with d is the lesser; unless the other ends, then it is.
        let mut words = self.words.iter().zip(other.words.iter());
        let Some((&mine, &theirs)) = words.find(|(mine, theirs)| mine != theirs) else {
            return Ordering::Equal;
        };
        let differing = (mine ^ theirs).trailing_zeros();
        let i_have_it = mine >> differing & 1 == 1;
        // What lies above d; shifting twice keeps the shift below 64.
        let continues_here = (if i_have_it { theirs } else { mine }) >> differing >> 1 != 0;
        let continues =
            continues_here || words.any(|(mine, theirs)| *(if i_have_it { theirs } else { mine }) != 0);
        if i_have_it == continues { Ordering::Less } else { Ordering::Greater }
    }
}

impl PartialOrd for SlotSet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{from_numbers, model, numbers};
    use super::*;
    use alloc::collections::BTreeSet;
    use core::hash::{Hash, Hasher};
    use proptest::prelude::*;
    use std::hash::DefaultHasher;

    fn hash(set: &SlotSet) -> u64 {
        let mut hasher = DefaultHasher::new();
        set.hash(&mut hasher);
        hasher.finish()
    }

    fn check(a: &BTreeSet<u16>, b: &BTreeSet<u16>) -> Result<(), TestCaseError> {
        let (x, y) = (from_numbers(a), from_numbers(b));
        prop_assert_eq!(numbers(&x.union(&y)), a | b);
        prop_assert_eq!(numbers(&x.intersection(&y)), a & b);
        prop_assert_eq!(numbers(&x.difference(&y)), a - b);
        prop_assert_eq!(
            numbers(&x.complement()),
            (0..16384).filter(|n| !a.contains(n)).collect::<BTreeSet<_>>()
        );
        prop_assert_eq!(x.is_subset(&y), a.is_subset(b));
        prop_assert_eq!(x.is_superset(&y), a.is_superset(b));
        prop_assert_eq!(x.is_disjoint(&y), a.is_disjoint(b));
        prop_assert_eq!(x.cmp(&y), a.cmp(b));
        prop_assert_eq!(y.cmp(&x), b.cmp(a));
        prop_assert_eq!(x == y, a == b);
        prop_assert_eq!(hash(&x), hash(&from_numbers(a)));
        Ok(())
    }

    proptest! {
        #[test]
        fn like_btree_sets(a in model(), b in model()) {
            check(&a, &b)?;
            check(&a, &a)?;
        }

        /// Sets that nearly agree are where an order goes wrong.
        #[test]
        fn like_btree_sets_that_nearly_agree(a in model(), changes in proptest::collection::vec(0..16384u16, 1..3)) {
            let mut b = a.clone();
            for number in changes {
                if !b.remove(&number) {
                    b.insert(number);
                }
            }
            check(&a, &b)?;
            let prefix = a.iter().copied().take(a.len() / 2).collect();
            check(&a, &prefix)?;
        }

        #[test]
        fn small_sets_in_order(a in proptest::collection::btree_set(60..68u16, 0..5), b in proptest::collection::btree_set(60..68u16, 0..5)) {
            prop_assert_eq!(from_numbers(&a).cmp(&from_numbers(&b)), a.cmp(&b));
        }
    }

    #[test]
    fn every_form_of_an_operator_agrees() {
        let a: SlotSet = "0-100".parse().unwrap();
        let b: SlotSet = "50-150".parse().unwrap();
        let forms = |owned: [SlotSet; 3], assigned: [SlotSet; 2], expected: &str| {
            let expected: SlotSet = expected.parse().unwrap();
            assert!(owned.iter().chain(&assigned).all(|set| *set == expected));
        };
        let assign = |f: &dyn Fn(&mut SlotSet)| {
            let mut set = a.clone();
            f(&mut set);
            set
        };
        forms(
            [a.clone() | b.clone(), a.clone() | &b, &a | b.clone()],
            [assign(&|s| *s |= &b), assign(&|s| *s |= b.clone())],
            "0-150",
        );
        forms(
            [a.clone() & b.clone(), a.clone() & &b, &a & b.clone()],
            [assign(&|s| *s &= &b), assign(&|s| *s &= b.clone())],
            "50-100",
        );
        forms(
            [a.clone() - b.clone(), a.clone() - &b, &a - b.clone()],
            [assign(&|s| *s -= &b), assign(&|s| *s -= b.clone())],
            "0-49",
        );
        assert_eq!(!&a, !a.clone());
    }
}
