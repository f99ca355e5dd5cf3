//! The index against a list of pods that is searched from end to end.

use super::*;

#[derive(Clone, Debug)]
enum Op {
    See(usize, Option<Sighting>),
    Remove(usize),
    /// A list that shows these; broken off before its end or not.
    List(Vec<(usize, Sighting)>, bool),
    Hear(usize, Option<u64>),
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
const IDENTITIES: [&str; 3] = ["billing", "alerts", "news"];

fn sighting() -> impl Strategy<Value = Sighting> {
    let identities = proptest::sample::subsequence(IDENTITIES.to_vec(), 0..=3);
    (0..3u8, identities, 0..4u8).prop_map(|(uid, identities, kind)| {
        let uid = uid.to_string();
        match kind {
            0 => bare(&uid, &identities),
            1 => starting(&uid, &identities),
            _ => pod(&uid, &identities),
        }
    })
}

fn op() -> impl Strategy<Value = Op> {
    let name = || 0..NAMES.len();
    prop_oneof![
        4 => (name(), proptest::option::weighted(0.8, sighting())).prop_map(|(n, s)| Op::See(n, s)),
        1 => name().prop_map(Op::Remove),
        1 => (proptest::collection::btree_map(name(), sighting(), 0..5), any::<bool>())
            .prop_map(|(seen, whole)| Op::List(seen.into_iter().collect(), whole)),
        3 => (name(), proptest::option::weighted(0.7, 6..9u64)).prop_map(|(n, r)| Op::Hear(n, r)),
    ]
}

#[derive(Clone, Debug)]
struct Naive {
    name: usize,
    seen: Sighting,
    misses: u8,
    answer: Option<u64>,
}

#[derive(Default)]
struct Model(Vec<Naive>);

impl Model {
    fn see(&mut self, name: usize, seen: Option<Sighting>) {
        let known = self
            .0
            .iter()
            .position(|pod| pod.name == name)
            .map(|at| self.0.remove(at));
        if let Some(seen) = seen {
            let same = known.filter(|known| known.seen.uid == seen.uid);
            let (misses, answer) = same.map_or((0, None), |pod| (pod.misses, pod.answer));
            self.0.push(Naive {
                name,
                seen,
                misses,
                answer,
            });
        }
    }

    fn tally(&self, identity: &str) -> PodTally {
        let mut tally = PodTally {
            listed: true,
            ..PodTally::default()
        };
        let mut pods: Vec<_> = (self.0.iter())
            .filter(|pod| pod.seen.identities.iter().any(|name| **name == *identity))
            .collect();
        pods.sort_by_key(|pod| pod.name);
        for pod in pods {
            let example = |names: &mut Vec<String>| {
                if names.len() < 3 {
                    names.push(NAMES[pod.name].to_owned());
                }
            };
            if pod.seen.sidecar.is_none() {
                tally.missing += 1;
                example(&mut tally.examples.missing);
                continue;
            }
            tally.attached += 1;
            match pod.answer {
                _ if pod.misses >= 2 => {
                    tally.silent += 1;
                    example(&mut tally.examples.silent);
                }
                None => tally.unread += 1,
                Some(7) => tally.current += 1,
                Some(_) => {
                    tally.behind += 1;
                    example(&mut tally.examples.behind);
                }
            }
        }
        tally
    }
}

/// Who is told of what, as the other parts see it.
struct World {
    index: Index,
    model: Model,
    askable: BTreeSet<Ticket>,
}

impl World {
    fn note(&mut self, change: Change) -> BTreeSet<NamespacedName> {
        for ticket in change.unaskable {
            assert!(self.askable.remove(&ticket), "{ticket:?} was not askable");
        }
        for ticket in change.askable {
            assert!(self.askable.insert(ticket), "{ticket:?} was askable");
        }
        change.identities
    }

    fn play(&mut self, op: Op) -> BTreeSet<NamespacedName> {
        let key = |name: usize| named("shop", NAMES[name]);
        match op {
            Op::See(name, seen) => {
                self.model.see(name, seen.clone());
                let change = self.index.see(&ALL, key(name), seen);
                self.note(change)
            }
            Op::Remove(name) => {
                self.model.see(name, None);
                let change = self.index.remove(&key(name));
                self.note(change)
            }
            Op::List(pods, whole) => {
                let mut told = BTreeSet::new();
                self.index.begin_list(&ALL);
                for (name, seen) in &pods {
                    self.model.see(*name, Some(seen.clone()));
                    let change = self.index.see(&ALL, key(*name), Some(seen.clone()));
                    told.extend(self.note(change));
                }
                if whole {
                    self.model
                        .0
                        .retain(|pod| pods.iter().any(|(name, _)| *name == pod.name));
                    let change = self.index.end_list(&ALL);
                    told.extend(self.note(change));
                }
                told
            }
            Op::Hear(name, revision) => self.hear(name, revision),
        }
    }

    fn hear(&mut self, name: usize, revision: Option<u64>) -> BTreeSet<NamespacedName> {
        let known = self.model.0.iter_mut().find(|pod| pod.name == name);
        let Some(pod) = known.filter(|pod| pod.seen.sidecar.is_some()) else {
            return BTreeSet::new();
        };
        match revision {
            Some(_) => (pod.misses, pod.answer) = (0, revision),
            None => pod.misses = pod.misses.saturating_add(1),
        }
        let ticket = self.index.by_name[&named("shop", NAMES[name])];
        let answer = revision.map(|_| {
            let reports = IDENTITIES.map(|identity| report(identity, "id", revision));
            reports.into()
        });
        self.index.hear(ticket, answer).unwrap().1
    }
}

proptest! {
    #[test]
    fn it_counts_as_a_search_through_all_pods_does(ops in proptest::collection::vec(op(), 1..60)) {
        let (model, askable) = (Model::default(), BTreeSet::new());
        let mut world = World { index: listed(), model, askable };
        for op in ops {
            let before = IDENTITIES.map(|name| world.model.tally(name));
            let told = world.play(op.clone());
            for (name, before) in IDENTITIES.into_iter().zip(before) {
                let identity = named("shop", name);
                let expected = world.model.tally(name);
                prop_assert_eq!(&world.index.tally(&identity, "id", Some(7)), &expected, "{:?}", op);
                prop_assert!(before == expected || told.contains(&identity), "{:?} {}", op, name);
            }
            let askable: BTreeSet<Ticket> = (world.index.pods.values())
                .filter(|pod| pod.admin().is_some())
                .map(|pod| pod.ticket)
                .collect();
            prop_assert_eq!(&world.askable, &askable);
            let linked: usize = world.index.by_identity.values().map(BTreeSet::len).sum();
            let named: usize = world.model.0.iter().map(|pod| pod.seen.identities.len()).sum();
            prop_assert_eq!(linked, named);
        }
    }
}
