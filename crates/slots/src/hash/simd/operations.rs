//! How operations are declared, and pairs for instruction sets that work on one vector at a time.

/// Functions compiled for the instructions they use.
macro_rules! operations {
    ($features:literal $($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block)+) => {$(
        $(#[$doc])*
        #[inline]
        #[target_feature(enable = $features)]
        pub(super) fn $name($($argument: $type),*) $(-> $result)? $body
    )+};
}
pub(super) use operations;

/// Operations on pairs by those on vectors, in a module where the latter are at hand.
macro_rules! two_vectors {
    ($features:literal) => {
        type Pair = [Vector; 2];

        operations! { $features
            fn load_pair(blocks: &[u8; 32]) -> Pair {
                let [a, b] = blocks.as_chunks().0 else {
                    return [zero(); 2];
                };
                [load(a), load(b)]
            }

            fn both(a: Vector, b: Vector) -> Pair {
                [a, b]
            }

            fn merge(pair: Pair) -> Vector {
                xor(pair[0], pair[1])
            }

            fn xor_pair(a: Pair, b: Pair) -> Pair {
                [xor(a[0], b[0]), xor(a[1], b[1])]
            }

            fn or_pair(a: Pair, b: Pair) -> Pair {
                [or(a[0], b[0]), or(a[1], b[1])]
            }

            fn reverse_pair(blocks: Pair) -> Pair {
                [reverse(blocks[0]), reverse(blocks[1])]
            }

            fn equal_in_pair(blocks: Pair, byte: u8) -> Pair {
                [equal(blocks[0], byte), equal(blocks[1], byte)]
            }

            fn any_in_pair(found: Pair) -> bool {
                any(or(found[0], found[1]))
            }

            fn weigh_pair(blocks: Pair, weights: &[Weight; 2]) -> Pair {
                [weigh(blocks[0], &weights[0]), weigh(blocks[1], &weights[1])]
            }

            /// The sums in the order 0 4, 1 5, 2 6, 3 7.
            fn reduce_eight(sums: [Pair; 4]) -> [u16; 8] {
                let [[a, e], [b, f], [c, g], [d, h]] = sums;
                [reduce(a), reduce(b), reduce(c), reduce(d), reduce(e), reduce(f), reduce(g), reduce(h)]
            }
        }
    };
}
pub(super) use two_vectors;
