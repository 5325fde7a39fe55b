//! Objects of an answer, declared once: the struct and a parser whose errors name the field.
//!
//! `serde`'s derive would parse as fast but does not say which field was wrong.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A key of an object, borrowed from the answer unless it holds escapes.
pub(crate) struct Key<'de>(pub(crate) Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E: Error>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// Declares an object. `required` fields must be there and not null; of a key that comes twice the first counts;
/// unknown keys are skipped, because nodes add fields of their own.
macro_rules! wire_object {
    (
        $(#[$meta:meta])*
        $name:ident $(<$inner:ident>)?, $expected:literal {
            $($field:ident: $type:ty = $key:literal $(| $alias:literal)?, $presence:ident;)*
        }
    ) => {
        $(#[$meta])*
        pub(crate) struct $name $(<$inner>)? {
            $(pub(crate) $field: wire_object!(@slot $presence $type),)*
        }

        impl<'de $(, $inner: serde::Deserialize<'de>)?> serde::Deserialize<'de> for $name $(<$inner>)? {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor<Of>(std::marker::PhantomData<Of>);
                impl<'de $(, $inner: serde::Deserialize<'de>)?> serde::de::Visitor<'de>
                    for ObjectVisitor<$name $(<$inner>)?>
                {
                    type Value = $name $(<$inner>)?;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        use serde::de::Error as _;
                        $(let mut $field: Option<$type> = None;)*
                        while let Some(key) = map.next_key::<crate::wire::object::Key<'de>>()? {
                            match key.0.as_ref() {
                                $($key $(| $alias)? if $field.is_none() => {
                                    $field = map.next_value::<Option<$type>>().map_err(|error| {
                                        A::Error::custom(format_args!("`{}`: {error}", key.0))
                                    })?;
                                })*
                                _ => {
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                }
                            }
                        }
                        Ok($name { $($field: wire_object!(@finish $presence $field $key A),)* })
                    }
                }
                deserializer.deserialize_map(ObjectVisitor::<Self>(std::marker::PhantomData))
            }
        }
    };
    (@slot required $type:ty) => { $type };
    (@slot optional $type:ty) => { Option<$type> };
    (@finish required $field:ident $key:literal $access:ident) => {
        $field.ok_or_else(|| $access::Error::custom(concat!("`", $key, "` is missing")))?
    };
    (@finish optional $field:ident $key:literal $access:ident) => { $field };
}

pub(crate) use wire_object;
