//! PURE. Which key makes a room: `room:{CODE}:state`, with the code in the hash tag.

use crate::escape;

/// A key template, taken apart around its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    before: Vec<u8>,
    after: Vec<u8>,
    companion: Vec<u8>,
}

impl Template {
    /// None when `{CODE}` is not the first hash tag of the text.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (before, after) = text.split_once("{CODE}")?;
        if before.contains('{') {
            return None;
        }
        // `room:{CODE}:state` has its players in `room:{CODE}:players`.
        let companion = match after.rsplit_once(':') {
            Some((stem, _)) => format!("}}{stem}:players"),
            None => format!("}}{after}:players"),
        };
        Some(Self {
            before: format!("{before}{{").into_bytes(),
            after: format!("}}{after}").into_bytes(),
            companion: companion.into_bytes(),
        })
    }

    /// The code of the room that this key makes.
    /// As it is shown.
    pub(crate) fn code(&self, key: &[u8]) -> Option<String> {
        let code = key.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        (!code.is_empty() && !code.contains(&b'}')).then(|| escape::name(code))
    }

    /// The key that makes this room.
    pub(crate) fn state(&self, code: &str) -> Vec<u8> {
        [&*self.before, &escape::bytes(code), &self.after].concat()
    }

    /// Where a room keeps its players when its state does not tell them.
    pub(crate) fn players(&self, code: &str) -> Vec<u8> {
        [&*self.before, &escape::bytes(code), &self.companion].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_from_keys_and_keys_made_from_codes() {
        let template = Template::read("room:{CODE}:state").unwrap();
        assert_eq!(template.code(b"room:{KX9Q2}:state").as_deref(), Some("KX9Q2"));
        for key in ["room:{KX9Q2}:players", "room:{}:state", "room:KX9Q2:state", "x:room:{A}:state", "room:{A}b}:state", "room:{"] {
            assert_eq!(template.code(key.as_bytes()), None, "{key}");
        }
        for (key, code) in
            [(&b"room:{\xff}:state"[..], "\\xff"), (b"room:{\x1b[2J}:state", "\\x1b[2J"), (b"room:{a b}:state", "a\\x20b")]
        {
            assert_eq!(template.code(key).as_deref(), Some(code));
            assert_eq!(template.state(code), key);
        }
        assert_eq!(template.state("A"), b"room:{A}:state");
        assert_eq!(template.players("A"), b"room:{A}:players");
    }

    #[test]
    fn other_shapes_work_and_a_code_outside_the_tag_does_not() {
        let bare = Template::read("{CODE}").unwrap();
        assert_eq!((bare.code(b"{A}").as_deref(), bare.players("A")), (Some("A"), b"{A}:players".to_vec()));
        let deep = Template::read("game:v2:{CODE}:room:meta").unwrap();
        assert_eq!(deep.players("A"), b"game:v2:{A}:room:players");
        assert_eq!(Template::read("room:CODE:state"), None);
        assert_eq!(Template::read("{x}:{CODE}"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_code_is_taken_out_of_its_key_and_put_back(
            before in "[^{]{0,9}",
            after in ".{0,9}",
            code in proptest::collection::vec(proptest::prelude::any::<u8>(), 1..9),
        ) {
            let template = Template::read(&format!("{before}{{CODE}}{after}")).unwrap();
            let key = [before.as_bytes(), b"{", &code, b"}", after.as_bytes()].concat();
            if let Some(code) = template.code(&key) {
                assert_eq!(template.state(&code), key, "{code}");
            }
        }

        #[test]
        fn no_text_and_no_key_is_too_odd(text in ".{0,20}", key in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40)) {
            for text in [text.clone(), format!("{text}{{CODE}}{text}")] {
                let _ = Template::read(&text).map(|template| template.code(&key));
            }
        }
    }
}
