//! An algorithm twice: linked into the program, and loaded from a shared object.

use std::sync::Arc;

use adit_plugin::{
    Algorithm, DevBlock, Digest, Layout, LayoutError, Searcher, Target, Variant,
    bench::{Bench, Bound, Reference},
};

/// The end of a loaded variant's name: `avx512.so` is loaded, `avx512` is linked in.
pub const LOADED: &str = ".so";

/// Both as one algorithm, whose variants are those of both, so that they are measured in turns.
///
/// The reference is the loaded one's, built as that was; bounds are the same for both.
pub struct Pair {
    linked: Arc<dyn Algorithm>,
    loaded: Arc<dyn Algorithm>,
    /// The names of the loaded one's variants, with and without the ending.
    names: Vec<(&'static str, String)>,
}

impl Pair {
    /// Pairs what has one name and number. The names of the loaded variants stay in memory for good.
    ///
    /// # Errors
    /// When they are not the same algorithm; says what differs.
    pub fn new(linked: Arc<dyn Algorithm>, loaded: Arc<dyn Algorithm>) -> Result<Self, String> {
        let facts = |one: &dyn Algorithm| (one.name(), one.id(), one.layout());
        if facts(&*linked) != facts(&*loaded) {
            return Err(format!("{}: the one loaded has another number or layout", linked.name()));
        }
        let name = |variant: Variant| {
            let ended: &'static str = String::leak(format!("{}{LOADED}", variant.name));
            (ended, variant.name.to_owned())
        };
        let names = variants(&*loaded).into_iter().map(name).collect();
        Ok(Self { linked, loaded, names })
    }

    fn ended(&self, name: &str) -> Option<&'static str> {
        self.names.iter().find(|(_, plain)| plain == name).map(|(ended, _)| *ended)
    }
}

/// Of an algorithm with nothing to choose, one with its own name.
fn variants(algorithm: &dyn Algorithm) -> Vec<Variant> {
    let variants = algorithm.variants();
    if variants.is_empty() { vec![Variant { name: algorithm.name(), supported: true }] } else { variants }
}

fn searcher(algorithm: &dyn Algorithm, name: &str) -> Option<Box<dyn Searcher>> {
    if algorithm.variants().is_empty() {
        return (name == algorithm.name()).then(|| algorithm.searcher());
    }
    algorithm.searcher_of(name)
}

impl Algorithm for Pair {
    fn name(&self) -> &'static str {
        self.linked.name()
    }

    fn id(&self) -> u32 {
        self.linked.id()
    }

    fn layout(&self) -> Layout {
        self.linked.layout()
    }

    fn digest(&self, header: &[u8]) -> Result<Digest, LayoutError> {
        self.linked.digest(header)
    }

    fn searcher(&self) -> Box<dyn Searcher> {
        self.linked.searcher()
    }

    /// A linked variant and its twin stand side by side, so that their turns do.
    fn variants(&self) -> Vec<Variant> {
        let loaded = variants(&*self.loaded);
        let twin = |of: &Variant| {
            let found = loaded.iter().find(|variant| variant.name == of.name)?;
            Some(Variant { name: self.ended(of.name)?, supported: found.supported })
        };
        let both = variants(&*self.linked).into_iter().flat_map(|one| [Some(one), twin(&one)]);
        both.flatten().collect()
    }

    fn searcher_of(&self, variant: &str) -> Option<Box<dyn Searcher>> {
        match self.names.iter().find(|(ended, _)| *ended == variant) {
            Some((_, plain)) => searcher(&*self.loaded, plain),
            None => searcher(&*self.linked, variant),
        }
    }

    fn dev_header(&self, block: &DevBlock<'_>) -> Vec<u8> {
        self.linked.dev_header(block)
    }

    fn stratum_difficulty_one(&self) -> Option<Target> {
        self.linked.stratum_difficulty_one()
    }

    fn bench(&self) -> Bench {
        let bounds = self.linked.bench().bounds;
        let twins = bounds
            .iter()
            .filter_map(|bound| self.ended(bound.variant).map(|variant| Bound { variant, ..*bound }));
        let both = bounds.iter().copied().chain(twins).collect();
        let loaded: Option<Reference> = self.loaded.bench().reference;
        Bench { bounds: both, reference: loaded.or_else(|| self.linked.bench().reference) }
    }
}
