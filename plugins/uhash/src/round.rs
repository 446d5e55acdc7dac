//! The rounds of chains, all nonces and chains of a vector in step.
//!
//! Which of its three functions a chain begins with depends on nonce and number, and each round takes the next. So that
//! all lanes take the same one at the same time, chains begin up to two steps late, and end as late: in the first two
//! steps and in the last two some lanes wait.
//!
//! Two groups of nonces take turns. A group's next places are known when its step ends, so they are on their way from
//! the cache while the other group has its step.

use adit_plugin::Digest;
use adit_plugin::lanes::Lanes;

use crate::chains::{
    BLOCKS, BlockForm, MOST_LANES, Machine, Scratchpads, Vector, block_form, fill, first_block, word_form,
};
use crate::job::{CHAINS, Job, State, finish};

/// Rounds of a chain.
const ROUNDS: u32 = 12_288;

/// By what the places of a state grow from round to round; of 0x517cc1b727220a95 the bits that a place has. The other
/// term of a round, its number rotated by 13 bits, has none of those.
const PLACE_STEP: u32 = 0x517c_c1b7_2722_0a95u64 as u32;

/// The functions, in their order; step `s` takes `s mod 3`.
const AES: u32 = 0;
const SHA256: u32 = 1;
const BLAKE3: u32 = 2;

/// How often a hash asks whether it is still wanted, in steps: about ten times a nonce.
const ASK_EVERY: u32 = 3 * 128;

/// The digests of the nonces from `first` on, two groups of `NONCES`; none when `go_on` says no.
#[inline(always)]
pub(crate) fn hash<M: Machine, const NONCES: usize, const BOTH: usize>(
    m: M,
    job: &Job,
    (first, go_on): (u64, &mut dyn FnMut() -> bool),
    pads: &mut [Scratchpads<NONCES>; 2],
) -> Option<[Digest; BOTH]> {
    const { assert!(2 * NONCES == BOTH && NONCES * CHAINS == <M::Lanes as Lanes>::LANES) };
    let [pads_a, pads_b] = pads;
    let mut a = Group::new(m, job, first, pads_a);
    if !go_on() {
        return None;
    }
    let mut b = Group::new(m, job, first.wrapping_add(NONCES as u64), pads_b);
    macro_rules! step {
        ($function:ident, $partly:literal, $step:expr) => {
            a.step::<$function, $partly>(m, $step);
            b.step::<$function, $partly>(m, $step);
        };
    }
    step!(AES, true, 0);
    step!(SHA256, true, 1);
    step!(BLAKE3, false, 2);
    for step in (3..ROUNDS).step_by(3) {
        if step.is_multiple_of(ASK_EVERY) && !go_on() {
            return None;
        }
        step!(AES, false, step);
        step!(SHA256, false, step + 1);
        step!(BLAKE3, false, step + 2);
    }
    step!(AES, true, ROUNDS);
    step!(SHA256, true, ROUNDS + 1);
    let (a, b) = (a.digests(m), b.digests(m));
    Some(std::array::from_fn(|at| if at < NONCES { a[at] } else { b[at - NONCES] }))
}

/// Nonces in step.
struct Group<'a, M: Machine, const NONCES: usize> {
    pads: &'a mut Scratchpads<NONCES>,
    /// The states in word form.
    state: [Vector<M>; 8],
    /// By how many steps each lane is late.
    late: [u32; MOST_LANES],
    /// What each lane's round adds to its place.
    round: Vector<M>,
    /// Which block of its scratchpad each lane takes next.
    places: [u32; MOST_LANES],
}

impl<'a, M: Machine, const NONCES: usize> Group<'a, M, NONCES> {
    #[inline(always)]
    fn new(m: M, job: &Job, first: u64, pads: &'a mut Scratchpads<NONCES>) -> Self {
        let nonce = |at: usize| first.wrapping_add(at as u64);
        let seeds: [[State; CHAINS]; NONCES] = std::array::from_fn(|at| job.seeds(nonce(at)));
        fill(m, &seeds, pads);
        let state = word_form(m, &block_form(m, &seeds));
        let mut late = [0; MOST_LANES];
        let mut round = [0; MOST_LANES];
        for lane in 0..<M::Lanes as Lanes>::LANES {
            let (at, chain) = (lane / CHAINS, lane % CHAINS);
            // The first round's function is the one after this: at step `late` that function's turn comes.
            let function = (nonce(at).wrapping_add(chain as u64) % 3) as u32;
            late[lane] = (function + 1) % 3;
            round[lane] = PLACE_STEP.wrapping_mul(late[lane]).wrapping_neg();
        }
        let mut group = Self { pads, state, late, round: m.lanes().load(&round), places: [0; MOST_LANES] };
        group.look_ahead(m);
        group
    }

    /// Finds the next places and asks for them.
    #[inline(always)]
    fn look_ahead(&mut self, m: M) {
        let places = m.lanes().xor3(self.state[0], self.state[2], self.round);
        let first: [u32; MOST_LANES] = const {
            let mut first = [0; MOST_LANES];
            let mut lane = 0;
            while lane < MOST_LANES {
                first[lane] = first_block(lane) as u32;
                lane += 1;
            }
            first
        };
        let places = m.lanes().add(places, m.lanes().load(&first));
        m.lanes().store(places, &mut self.places);
        // Read back from memory: taking lanes out of a vector keeps the units busy that hash.
        std::hint::black_box(&mut self.places);
        for lane in 0..<M::Lanes as Lanes>::LANES {
            let (nonce, chain) = (lane / CHAINS, lane % CHAINS);
            m.prefetch(&self.pads[nonce][chain][self.places[lane] as usize % BLOCKS]);
        }
    }

    #[inline(always)]
    fn place(&self, nonce: usize, chain: usize) -> usize {
        self.places[CHAINS * nonce + chain] as usize % BLOCKS
    }

    /// One step with `FUNCTION`; `PARTLY` where some lanes wait.
    #[inline(always)]
    fn step<const FUNCTION: u32, const PARTLY: bool>(&mut self, m: M, step: u32) {
        let mut parts = [[m.lanes().splat(0); 4]; CHAINS];
        for (chain, parts) in parts.iter_mut().enumerate() {
            *parts = m.load_blocks(|nonce| &self.pads[nonce][chain][self.place(nonce, chain)]);
        }
        let before = self.state;
        let mut blocks = match FUNCTION {
            AES => {
                let blocks = aes(m, self.blocks(m), &parts);
                self.state = word_form(m, &blocks);
                blocks
            }
            _ => {
                let mut message = [m.lanes().splat(0); 16];
                for part in 0..4 {
                    let words = m.reflect([parts[0][part], parts[1][part], parts[2][part], parts[3][part]]);
                    message[4 * part..][..4].copy_from_slice(&words);
                }
                if FUNCTION == SHA256 {
                    swap_bytes(m.lanes(), &mut message);
                    swap_bytes(m.lanes(), &mut self.state);
                    m.lanes().sha256(&mut self.state, &message);
                    swap_bytes(m.lanes(), &mut self.state);
                } else {
                    m.blake3(&mut self.state, &message);
                }
                self.blocks(m)
            }
        };
        if PARTLY {
            self.wait(m, step, before);
            blocks = self.blocks(m);
        }
        for (chain, (low, high)) in blocks[0].into_iter().zip(blocks[1]).enumerate() {
            m.store_halves([low, high], |nonce, half| {
                if !PARTLY || self.works(CHAINS * nonce + chain, step) {
                    let place = self.place(nonce, chain);
                    self.pads[nonce][chain][place].0[..8].copy_from_slice(&half);
                }
            });
        }
        self.round = m.lanes().add(self.round, m.lanes().splat(PLACE_STEP));
        self.look_ahead(m);
    }

    /// The states in block form.
    #[inline(always)]
    fn blocks(&self, m: M) -> BlockForm<M> {
        let [a, b, c, d, e, f, g, h] = self.state;
        [m.reflect([a, b, c, d]), m.reflect([e, f, g, h])]
    }

    fn works(&self, lane: usize, step: u32) -> bool {
        (self.late[lane]..self.late[lane] + ROUNDS).contains(&step)
    }

    /// Takes the step back in those lanes that are not in their rounds.
    #[inline(always)]
    fn wait(&mut self, m: M, step: u32, before: [Vector<M>; 8]) {
        let mut mask = [0; MOST_LANES];
        for (lane, mask) in mask.iter_mut().enumerate() {
            *mask = if self.works(lane, step) { u32::MAX } else { 0 };
        }
        let mask = m.lanes().load(&mask);
        for (new, old) in self.state.iter_mut().zip(before) {
            *new = m.lanes().choose(mask, *new, old);
        }
    }

    #[inline(always)]
    fn digests(&self, m: M) -> [Digest; NONCES] {
        let mut words = [[0; MOST_LANES]; 8];
        for (words, &vector) in words.iter_mut().zip(&self.state) {
            m.lanes().store(vector, words);
        }
        std::array::from_fn(|nonce| {
            finish(&std::array::from_fn(|chain| std::array::from_fn(|at| words[at][CHAINS * nonce + chain])))
        })
    }
}

/// Four rounds of each half of the states, keys from the blocks; the second half takes them in another order.
#[inline(always)]
fn aes<M: Machine>(m: M, blocks: BlockForm<M>, parts: &[[Vector<M>; 4]; CHAINS]) -> BlockForm<M> {
    let [mut low, mut high] = blocks;
    for round in 0..4 {
        for chain in 0..CHAINS {
            low[chain] = m.aes(low[chain], parts[chain][round]);
            high[chain] = m.aes(high[chain], parts[chain][(round + 2) % 4]);
        }
    }
    [low, high]
}

#[inline(always)]
fn swap_bytes<L: Lanes>(l: L, words: &mut [L::Vector]) {
    for word in words {
        *word = l.swap_bytes(*word);
    }
}
