//! The call graph of an image, and walks over it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Callee, Function, Image};

impl Function {
    /// The functions of the image that it calls by name, and whether it frees its own stack before the call.
    fn callees(&self) -> impl Iterator<Item = (usize, bool)> {
        self.calls.iter().filter_map(|call| match call.callee {
            Callee::Function(callee) => Some((callee, call.is_tail)),
            Callee::Import(_) | Callee::Pointer => None,
        })
    }
}

/// The depth of the stack in bytes, without the kernel's functions and calls through pointers.
pub struct Depths<'a> {
    image: &'a Image,
    /// Functions that are ignored, since they never return.
    ignored: fn(&Function) -> bool,
    /// By function.
    known: BTreeMap<usize, Depth>,
    circles: BTreeSet<String>,
}

struct Depth {
    bytes: u32,
    /// The next function of the deepest path.
    next: Option<usize>,
}

impl<'a> Depths<'a> {
    /// Finds the depth of every function of an image. A call of an `ignored` function does not count.
    pub fn new(image: &'a Image, ignored: fn(&Function) -> bool) -> Self {
        let (known, circles) = (BTreeMap::new(), BTreeSet::new());
        let mut this = Self { image, ignored, known, circles };
        for function in 0..image.functions.len() {
            this.find(function, &mut Vec::new());
        }
        this
    }

    /// Recursive functions, which have no bounded depth.
    pub fn circles(&self) -> impl Iterator<Item = &str> {
        self.circles.iter().map(String::as_str)
    }

    /// The depth of a called function, or `None` if it does not count.
    fn find(&mut self, place: usize, path: &mut Vec<usize>) -> Option<u32> {
        let function = &self.image.functions[place];
        if (self.ignored)(function) {
            return None;
        }
        if let Some(depth) = self.known.get(&place) {
            return Some(depth.bytes);
        }
        if let Some(start) = path.iter().position(|above| *above == place) {
            let circle = path[start..].iter().chain([&place]);
            let names = circle.map(|place| self.image.functions[*place].name.as_str());
            self.circles.insert(names.collect::<Vec<_>>().join(" → "));
            return None;
        }
        path.push(place);
        let mut deepest = Depth { bytes: function.frame, next: None };
        for (callee, is_tail) in function.callees() {
            let Some(below) = self.find(callee, path) else {
                continue;
            };
            // An image that is not a driver may have frames of any size.
            let bytes = if is_tail { below } else { function.frame.saturating_add(below) };
            if bytes > deepest.bytes {
                deepest = Depth { bytes, next: Some(callee) };
            }
        }
        path.pop();
        let bytes = deepest.bytes;
        self.known.insert(place, deepest);
        Some(bytes)
    }

    /// Bytes of the stack.
    #[must_use]
    pub fn bytes(&self, function: usize) -> u32 {
        self.known.get(&function).map_or(0, |depth| depth.bytes)
    }

    /// The deepest path from a function, with each function's stack in bytes.
    #[must_use]
    pub fn path(&self, function: usize) -> String {
        let steps = std::iter::successors(Some(function), |here| self.known.get(here)?.next);
        let functions = steps.map(|step| &self.image.functions[step]);
        let path = functions.map(|function| format!("{} ({})", function.name, function.frame));
        path.collect::<Vec<_>>().join(" → ")
    }
}

impl Image {
    /// The functions that can be called from outside: the entry point, by name, or through a pointer.
    pub fn roots(&self) -> impl Iterator<Item = usize> {
        let taken =
            self.functions.iter().enumerate().filter(|(_, function)| function.is_address_taken);
        let places: BTreeSet<usize> = self
            .exports
            .values()
            .copied()
            .chain(self.entry)
            .chain(taken.map(|(place, _)| place))
            .collect();
        places.into_iter()
    }

    /// The shortest path from any of the functions to another one that avoids the barred functions.
    pub fn path(
        &self,
        from: impl IntoIterator<Item = usize>,
        to: usize,
        is_barred: impl Fn(&Function) -> bool,
    ) -> Option<Vec<&Function>> {
        let mut before: BTreeMap<usize, Option<usize>> = BTreeMap::new();
        let mut queue = VecDeque::new();
        for root in from {
            before.insert(root, None);
            queue.push_back(root);
        }
        while let Some(here) = queue.pop_front() {
            let function = &self.functions[here];
            if is_barred(function) {
                continue;
            }
            if here == to {
                let steps = std::iter::successors(Some(here), |here| before[here]);
                let mut path: Vec<&Function> = steps.map(|step| &self.functions[step]).collect();
                path.reverse();
                return Some(path);
            }
            for (next, _) in function.callees() {
                if let Entry::Vacant(entry) = before.entry(next) {
                    entry.insert(Some(here));
                    queue.push_back(next);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::CallSite;
    use super::*;

    const NOTHING: fn(&Function) -> bool = |_| false;

    /// An image of functions, each with a name, a frame, and its targets: a positive one is called, a negative one is a
    /// tail call.
    fn image(functions: &[(&str, u32, &[i32])]) -> Image {
        let call = |place: &i32| CallSite {
            callee: Callee::Function(place.unsigned_abs() as usize),
            is_tail: *place < 0,
        };
        let function = |(name, frame, calls): &(&str, u32, &[i32])| Function {
            frame: *frame,
            calls: calls.iter().map(call).collect(),
            ..Function::for_test(name)
        };
        let functions = functions.iter().map(function).collect();
        Image {
            sections: Vec::new(),
            imports: Vec::new(),
            functions,
            exports: BTreeMap::new(),
            entry: None,
        }
    }

    #[test]
    fn the_deepest_path_counts() {
        let image = image(&[
            ("a", 10, &[1, 2]),
            ("b", 100, &[3]),
            ("c", 50, &[3, -4]),
            ("d", 1, &[]),
            ("e", 140, &[]),
        ]);
        let depths = Depths::new(&image, NOTHING);
        // The stack of `c` is freed before `e` starts.
        assert_eq!([0, 1, 2, 3].map(|place| depths.bytes(place)), [150, 101, 140, 1]);
        assert_eq!(depths.path(0), "a (10) → c (50) → e (140)");
        assert_eq!(depths.circles().count(), 0);
        let depths = Depths::new(&image, |function| function.name == "e");
        assert_eq!(depths.path(0), "a (10) → b (100) → d (1)");
    }

    #[test]
    fn circles_are_found() {
        let functions: [(&str, u32, &[i32]); 3] =
            [("a", 1, &[1]), ("b", 10, &[2]), ("c", 100, &[1])];
        let image = image(&functions);
        let depths = Depths::new(&image, NOTHING);
        assert_eq!(depths.circles().collect::<Vec<_>>(), ["b → c → b"]);
    }

    #[test]
    fn the_shortest_allowed_path_is_found() {
        let image = image(&[
            ("a", 0, &[1, 2]),
            ("b", 0, &[3]),
            ("c", 0, &[4]),
            ("d", 0, &[4]),
            ("e", 0, &[]),
        ]);
        let names = |path: Option<Vec<&Function>>| {
            path.map(|path| path.iter().map(|function| function.name.as_str()).collect::<String>())
        };
        assert_eq!(names(image.path([0], 4, NOTHING)).as_deref(), Some("ace"));
        assert_eq!(names(image.path([0], 4, |one| one.name == "c")).as_deref(), Some("abde"));
        assert_eq!(names(image.path([0], 4, |one| ["b", "c"].contains(&one.name.as_str()))), None);
        assert_eq!(names(image.path([2, 3], 0, NOTHING)), None);
    }
}
