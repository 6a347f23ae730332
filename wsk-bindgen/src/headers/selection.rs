//! Selects one of the kits found, and reports where none was found.

use std::fmt::Write as _;
use std::ptr;

use anyhow::{Result, bail};

use super::discovery::KitLocation;
use super::kits::{Kit, PARTS};

/// The selected kit.
#[derive(Debug)]
pub(crate) struct Selection<'a> {
    pub(super) kit: &'a Kit,
    pub(super) place: &'a KitLocation,
    /// Whether other kits were available.
    has_others: bool,
    /// Whether a release was requested.
    is_requested: bool,
    why: &'static str,
}

/// Selects from the first place that has a kit of this release: the version that the place names, or else the newest.
pub(super) fn select<'a>(
    places: &'a [KitLocation],
    release: Option<&str>,
) -> Result<Selection<'a>> {
    for place in places.iter().filter(|place| place.is_named) {
        if place.whole().next().is_none() {
            bail!("{}", nothing_in(place));
        }
    }
    let fits = |kit: &&Kit| {
        release.is_none_or(|release| kit.version.as_ref().is_some_and(|it| it.is(release)))
    };
    let Some((place, newest)) = places.iter().find_map(|it| Some((it, it.whole().find(fits)?)))
    else {
        bail!("{}", nothing(places, release));
    };
    let said = place.version.as_deref().filter(|_| release.is_none()).and_then(|said| {
        place.whole().find(|kit| kit.version.as_ref().is_some_and(|version| version.is(said)))
    });
    let versions = places.iter().flat_map(KitLocation::whole).count();
    let why = match (release, said) {
        (Some(_), _) => "as --release says",
        (None, Some(_)) => "as Version_Number says",
        (None, None) if place.whole().count() > 1 => "the newest there",
        (None, None) => "the only one there",
    };
    let kit = said.unwrap_or(newest);
    one_release(place, kit, release)?;
    Ok(Selection { kit, place, has_others: versions > 1, is_requested: release.is_some(), why })
}

/// Refuses folders that were given together, unless all of them are known to belong to one release.
fn one_release(place: &KitLocation, kit: &Kit, release: Option<&str>) -> Result<()> {
    let roots = kit.roots();
    if roots.len() > 1
        && let Some(folder) = kit.unversioned()
    {
        bail!(
            "{} may be of different releases: the path of {} does not name its version.\nGive folders with \
             `Include/<version>`, such as the NuGet packages of one version, or one folder with all headers.",
            place.path(),
            folder.display()
        );
    }
    let unused = place.folders.iter().enumerate().find(|(index, _)| !roots.contains(index));
    if let Some((_, unused)) = unused.filter(|_| release.is_none()) {
        let found: Vec<String> = place.kits.iter().map(version).collect();
        bail!(
            "{} are of different releases: {} has no part of {}.\nFound: {}. Give folders of one release, or choose \
             with --release.",
            place.path(),
            unused.display(),
            describe(kit),
            found.join(", ")
        );
    }
    Ok(())
}

impl Selection<'_> {
    /// A note about the selection; empty if only one kit was available.
    pub(super) fn note(&self, places: &[KitLocation]) -> Option<String> {
        if !self.has_others && places.len() == 1 {
            return None;
        }
        let mut note =
            format!("{} of {} is taken, {}", describe(self.kit), self.place.name, self.why);
        let others: Vec<String> = places
            .iter()
            .flat_map(KitLocation::whole)
            .filter(|kit| !ptr::eq(*kit, self.kit))
            .map(version)
            .collect();
        if !others.is_empty() {
            let which =
                if self.is_requested { "there are also" } else { "--release chooses another" };
            let _ = write!(note, "; {which}: {}", others.join(", "));
        }
        Some(note)
    }
}

/// All places and their contents, as lines.
pub(super) fn list(places: &[KitLocation], release: Option<&str>) -> String {
    let selection = select(places, release);
    let mut text = String::new();
    for place in places {
        describe_place(&mut text, place, selection.as_ref().ok().map(|selection| selection.kit));
    }
    let _ = match selection {
        Ok(selection) => {
            writeln!(
                text,
                "{} of {} is taken, {}",
                describe(selection.kit),
                selection.place.name,
                selection.why
            )
        }
        Err(_) if places.iter().all(|place| place.whole().next().is_none()) => {
            writeln!(text, "no WDK is found")
        }
        Err(error) => writeln!(text, "none is taken: {error:#}"),
    };
    text
}

fn describe_place(text: &mut String, place: &KitLocation, taken: Option<&Kit>) {
    let _ = match &place.problem {
        Some(problem) => writeln!(text, "{}: {problem}", place.name),
        None if place.kits.is_empty() => {
            writeln!(text, "{}: no kit in {}", place.name, place.path())
        }
        None => writeln!(text, "{}: {}", place.name, place.path()),
    };
    for kit in &place.kits {
        let mark = if taken.is_some_and(|taken| ptr::eq(taken, kit)) { "*" } else { " " };
        let has: Vec<String> = kit.has().map(|(_, folder)| folder.display().to_string()).collect();
        let _ = write!(text, "  {mark} {:<14} {}", version(kit), has.join(", "));
        for part in kit.lacks() {
            let _ = write!(text, "; no `{}` with {}", part.name, part.marker);
        }
        text.push('\n');
    }
}

impl KitLocation {
    fn path(&self) -> String {
        let folders: Vec<String> =
            self.folders.iter().map(|folder| folder.display().to_string()).collect();
        folders.join(" and ")
    }
}

fn version(kit: &Kit) -> String {
    kit.version.as_ref().map_or_else(|| "(no version)".to_owned(), ToString::to_string)
}

fn describe(kit: &Kit) -> String {
    kit.version.as_ref().map_or_else(|| "the WDK".to_owned(), |version| format!("WDK {version}"))
}

/// The expected and the actual contents of a place that should have a kit.
fn nothing_in(place: &KitLocation) -> String {
    if let Some(problem) = &place.problem {
        return format!("{}: {problem}. Correct or unset it, or give --wdk DIR.", place.name);
    }
    let mut message = match place.path() {
        path if path == place.name => format!("{path}: no WDK here."),
        path => format!("{}, {path}: no WDK here.", place.name),
    };
    for kit in &place.kits {
        let of = kit.version.as_ref().map(|version| format!(" of {version}")).unwrap_or_default();
        for (part, folder) in kit.has() {
            let _ = write!(message, "\nFound {}{of} at {}.", part.name, folder.display());
        }
    }
    let missing: Vec<_> = match &place.kits[..] {
        [] => PARTS.iter().collect(),
        kits => kits.iter().flat_map(Kit::lacks).collect(),
    };
    for part in PARTS.iter().filter(|part| missing.iter().any(|it| it.name == part.name)) {
        let _ = write!(
            message,
            "\nNo folder `{}` with {}{}, neither directly nor in Include/<version> or c/Include/<version>; \
             of NuGet's packages, {} has it.",
            part.name,
            part.marker,
            if place.kits.len() > 1 { " of the same version" } else { "" },
            part.package
        );
    }
    message.push_str(
        "\nGive an installed kit (such as `Windows Kits/10`), an unpacked NuGet package, a folder of such \
         packages, or a folder with `km` and `shared`. When these are in two packages, give --wdk twice.",
    );
    message
}

/// The expected and the actual contents of each place.
fn nothing(places: &[KitLocation], release: Option<&str>) -> String {
    let mut message = match release {
        Some(release) => format!("no WDK {release} is found."),
        None => "no WDK is found.".to_owned(),
    };
    message.push_str(" Looked in\n");
    for place in places {
        describe_place(&mut message, place, None);
    }
    message.push_str(
        "Install the WDK, or give --wdk DIR: an installed kit, an unpacked NuGet package or a folder of such \
         packages, or a folder with `km` and `shared`. The variable WDKContentRoot says the same for all \
         commands.",
    );
    message
}
