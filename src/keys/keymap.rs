//! PURE. Which chord means what: the table's defaults with the configuration's changes, checked as a whole.

use super::{Action, Chord, Context, HelpLine, Hint, Scope, TABLE};
use crate::nearest::nearest;

/// A mistake in `[keys]`: which entry, and a sentence with the nearest valid choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError {
    /// The entry's name as written.
    pub id: String,
    pub message: String,
}

impl std::fmt::Display for KeyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// The chords of every action.
#[derive(Clone, Debug)]
pub struct Keymap {
    /// In the order of the table.
    bound: Vec<(Action, Vec<Chord>)>,
}

impl Default for Keymap {
    fn default() -> Self {
        let bound = TABLE.iter().map(|spec| (spec.action, chords(spec.chords).unwrap_or_default()));
        Self { bound: bound.collect() }
    }
}

fn chords(text: &str) -> Result<Vec<Chord>, String> {
    text.split_whitespace().map(str::parse).collect()
}

impl Keymap {
    /// The defaults with these changes: action ids to chords, several separated by blanks, none to unbind.
    pub fn with<'a>(changes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Vec<KeyError>> {
        let mut map = Self::default();
        let mut changed = Vec::new();
        let mut errors = Vec::new();
        for (id, text) in changes {
            let Some(spec) = TABLE.iter().find(|spec| spec.id == id) else {
                let near = nearest(id, TABLE.iter().map(|spec| spec.id));
                let hint = near.map_or_else(|| "`rgc-tui docs keys` lists them".into(), |near| format!("did you mean `{near}`?"));
                errors.push(KeyError { id: id.into(), message: format!("there is no action `{id}`: {hint}") });
                continue;
            };
            match chords(text) {
                Ok(chords) => {
                    map.set(spec.action, chords);
                    changed.push(spec.action);
                }
                Err(message) => errors.push(KeyError { id: id.into(), message }),
            }
        }
        errors.extend(map.clashes(&changed));
        if errors.is_empty() { Ok(map) } else { Err(errors) }
    }

    fn set(&mut self, action: Action, chords: Vec<Chord>) {
        if let Some((_, bound)) = self.bound.iter_mut().find(|(known, _)| *known == action) {
            *bound = chords;
        }
    }

    /// Chords with two meanings in one scope, reported for the entries that were changed.
    fn clashes(&self, changed: &[Action]) -> Vec<KeyError> {
        let mut errors: Vec<KeyError> = Vec::new();
        let mut told: Vec<Action> = Vec::new();
        for action in changed {
            let spec = action.spec();
            for (other, chords) in self.bound.iter().filter(|(other, _)| other != action && !told.contains(other)) {
                let other = other.spec();
                let both = self.chords(*action).iter().find(|chord| chords.contains(chord));
                if let Some(chord) = both.filter(|_| spec.scope == other.scope) {
                    let message = format!(
                        "`{chord}` would mean both `{}` and `{}` {}: give one of them another key",
                        spec.id,
                        other.id,
                        spec.scope.word()
                    );
                    errors.push(KeyError { id: spec.id.into(), message });
                }
            }
            told.push(*action);
        }
        errors
    }

    pub fn chords(&self, action: Action) -> &[Chord] {
        self.bound.iter().find(|(known, _)| *known == action).map_or(&[], |(_, chords)| chords.as_slice())
    }

    /// The chord to show for an action; empty when it has none.
    pub fn chord(&self, action: Action) -> String {
        self.chords(action).first().map(Chord::to_string).unwrap_or_default()
    }

    /// What a chord means where these scopes are asked in this order.
    pub fn action(&self, scopes: &[Scope], chord: Chord) -> Option<Action> {
        let in_scope = |scope: Scope| {
            let meant = self.bound.iter().find(|(action, chords)| action.spec().scope == scope && chords.contains(&chord));
            meant.map(|(action, _)| *action)
        };
        scopes.iter().find_map(|scope| in_scope(*scope))
    }

    /// The footer: actions with a word that have a key in these scopes, in the order of the table;
    /// those of a higher rank are the first to go where there is no room.
    pub fn hints(&self, scopes: &[Scope], context: &Context) -> Vec<Hint> {
        let shown = TABLE.iter().filter(|spec| !spec.word.is_empty() && scopes.contains(&spec.scope));
        // Some only matter while their condition holds, and are noise otherwise.
        let transient = |action| matches!(action, Action::Remedy | Action::Pause | Action::Abort | Action::Unlock);
        shown
            .map(|spec| (spec, spec.disabled(context)))
            .filter(|(spec, disabled)| !(transient(spec.action) && disabled.is_some()))
            .map(|(spec, disabled)| {
                let word = if spec.action == Action::Pause && context.paused { "resume" } else { spec.word };
                Hint { chord: self.chord(spec.action), word, disabled, rank: spec.rank }
            })
            .filter(|hint| !hint.chord.is_empty())
            .collect()
    }

    /// The help page: every action in the order of the table.
    pub fn help(&self, scopes: &[Scope], context: &Context) -> Vec<HelpLine> {
        let line = |spec: &super::Spec| HelpLine {
            group: spec.group,
            chord: self.chords(spec.action).iter().map(Chord::to_string).collect::<Vec<_>>().join(" "),
            says: spec.says,
            disabled: if scopes.contains(&spec.scope) { spec.disabled(context) } else { Some(elsewhere(spec.scope)) },
        };
        TABLE.iter().map(line).collect()
    }

    /// The key table of the README (`docs keys`).
    pub fn markdown(&self) -> String {
        let mut text = String::from("| | key | does | `[keys]` name |\n| --- | --- | --- | --- |\n");
        let mut group = "";
        for spec in TABLE {
            let chords: Vec<String> = self.chords(spec.action).iter().map(|chord| format!("`{}`", code(*chord))).collect();
            let title = if group == spec.group { "" } else { spec.group };
            group = spec.group;
            text.push_str(&format!("| {title} | {} | {} | `{}` |\n", chords.join(" "), spec.says, spec.id));
        }
        text
    }
}

/// A chord inside a table cell: the bar must not end it.
fn code(chord: Chord) -> String {
    chord.to_string().replace('|', "\\|")
}

fn elsewhere(scope: Scope) -> &'static str {
    match scope {
        Scope::Everywhere => "not here",
        Scope::List => "only in lists",
        Scope::Slots => "only on the slot map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Scope; 3] = [Scope::Slots, Scope::List, Scope::Everywhere];

    #[test]
    fn the_table_is_sound() {
        let map = Keymap::default();
        let every: Vec<Action> = TABLE.iter().map(|spec| spec.action).collect();
        assert_eq!(map.clashes(&every), []);
        for (i, spec) in TABLE.iter().enumerate() {
            assert!(chords(spec.chords).is_ok_and(|chords| !chords.is_empty()), "{}", spec.id);
            assert!(TABLE.iter().skip(i + 1).all(|other| other.id != spec.id && other.action != spec.action), "{}", spec.id);
            assert!(!spec.says.is_empty() && spec.action.spec().id == spec.id);
            // A narrow meaning must not hide a wide one.
            for chord in map.chords(spec.action) {
                let meanings = map.bound.iter().filter(|(_, chords)| chords.contains(chord)).count();
                assert_eq!(meanings, 1, "{chord} means several things");
            }
        }
    }

    #[test]
    fn a_key_can_be_changed_and_mistakes_are_named() {
        let map = Keymap::with([("failover", "f8 o")]).unwrap();
        assert_eq!(map.action(&ALL, "o".parse().unwrap()), Some(Action::Failover));
        assert_eq!(map.action(&ALL, "F".parse().unwrap()), None);

        let wrong = |id, text| Keymap::with([(id, text)]).unwrap_err()[0].message.clone();
        assert!(wrong("failovre", "F").contains("did you mean `failover`"));
        assert!(wrong("failover", "ctlr-f").contains("did you mean `ctrl-`"));
        assert!(wrong("failover", "B").contains("both `failover` and `rebalance` everywhere"));
        assert!(Keymap::with([("failover", "B"), ("rebalance", "F")]).is_ok());
        assert!(Keymap::with([("failover", "")]).unwrap().chord(Action::Failover).is_empty());
    }

    #[test]
    fn hints_say_why_not() {
        let map = Keymap::default();
        let find = |context: &Context| {
            let hints = map.hints(&[Scope::Everywhere], context);
            hints.into_iter().find(|hint| hint.word == "Failover").unwrap().disabled
        };
        assert_eq!(find(&Context::default()), Some("select a node or a shard first"));
        assert_eq!(find(&Context { node: true, ..Context::default() }), None);
        assert_eq!(find(&Context { node: true, locked: true, ..Context::default() }), Some("read-only"));
        assert!(map.hints(&ALL, &Context::default()).iter().all(|hint| hint.word != "unlock"));
        assert_eq!(map.help(&ALL, &Context::default()).len(), TABLE.len());
        assert_eq!(map.markdown().lines().count(), TABLE.len() + 2);
    }
}
