//! PURE. How ids, addresses, letters and slots are written down and read back: as the words that people use for them.

use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Address, NodeId, ShardName, SlotRange, SlotSet};

macro_rules! as_words {
    ($($name:ty: $what:literal,)+) => { $(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                read(&String::deserialize(from)?).ok_or_else(|| D::Error::custom(concat!("not ", $what)))
            }
        }
    )+ };
}

as_words! {
    NodeId: "a node's id",
    Address: "an address",
    ShardName: "a shard's letter",
}

fn read<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

impl Serialize for SlotSet {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let ranges: Vec<String> = self.ranges().iter().map(<SlotRange as ToString>::to_string).collect();
        to.serialize_str(&ranges.join(" "))
    }
}

impl<'de> Deserialize<'de> for SlotSet {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let ranges: Option<Vec<SlotRange>> = text.split_whitespace().map(read).collect();
        Ok(ranges.ok_or_else(|| D::Error::custom("not ranges of slots"))?.iter().collect())
    }
}
