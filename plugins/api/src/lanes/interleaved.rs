//! Several vectors of the same kind, worked on in turns.

use super::Lanes;

/// Vectors of [`WAYS`](Self) times the lanes of `L`: whatever is done is done to each in turn, so that one is worked on
/// while the results of the others are on their way.
///
/// It pays where a processor could begin more instructions in the time that one takes than a single vector offers; it
/// costs registers.
#[derive(Clone, Copy, Debug)]
pub struct Interleaved<L, const WAYS: usize>(pub L);

/// Defines methods by what is done to the vectors of a way.
macro_rules! methods {
    ($($name:ident($first:ident $(, $more:ident)*; $($number:ident)?);)*) => {$(
        #[inline(always)]
        fn $name(
            self,
            $first: Self::Vector,
            $($more: Self::Vector,)*
            $($number: u32,)?
        ) -> Self::Vector {
            let mut result = $first;
            // A loop: of `map` on arrays the compiler may make a call, with all vectors through memory.
            let mut way = 0;
            while way < WAYS {
                result[way] = self.0.$name($first[way] $(, $more[way])* $(, $number)?);
                way += 1;
            }
            result
        }
    )*};
}

impl<L: Lanes, const WAYS: usize> Lanes for Interleaved<L, WAYS> {
    type Vector = [L::Vector; WAYS];

    const LANES: usize = WAYS * L::LANES;

    #[inline(always)]
    fn splat(self, word: u32) -> Self::Vector {
        [self.0.splat(word); WAYS]
    }

    #[inline(always)]
    fn load(self, words: &[u32]) -> Self::Vector {
        let mut vector = self.splat(0);
        for (vector, words) in vector.iter_mut().zip(words[..Self::LANES].chunks_exact(L::LANES)) {
            *vector = self.0.load(words);
        }
        vector
    }

    #[inline(always)]
    fn store(self, vector: Self::Vector, words: &mut [u32]) {
        for (vector, words) in vector.into_iter().zip(words[..Self::LANES].chunks_exact_mut(L::LANES)) {
            self.0.store(vector, words);
        }
    }

    methods! {
        add(a, b;);
        xor(a, b;);
        xor3(a, b, c;);
        choose(e, f, g;);
        majority(a, b, c;);
        shift_right(a; by);
        swap_bytes(a;);
        hold(a;);
    }

    /// Held, so that the ways take turns in what the compiler makes of it.
    #[inline(always)]
    fn rotate_right(self, a: Self::Vector, by: u32) -> Self::Vector {
        let mut result = a;
        for (result, a) in result.iter_mut().zip(a) {
            *result = self.0.rotate_right(a, by);
        }
        if WAYS > 1 { self.hold(result) } else { result }
    }

    /// One way after the other: a call has no use for more.
    #[inline(always)]
    fn sha256(self, state: &mut [Self::Vector; 8], block: &[Self::Vector; 16]) {
        for way in 0..WAYS {
            let mut one = std::array::from_fn(|at| state[at][way]);
            self.0.sha256(&mut one, &std::array::from_fn(|at| block[at][way]));
            for (state, one) in state.iter_mut().zip(one) {
                state[way] = one;
            }
        }
    }
}
