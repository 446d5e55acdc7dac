//! The bytes of an Adit session and of a channel's lane; their meaning stands in `docs/spec/session.md` and
//! `docs/spec/channel.md`. And the table of functions of a plugin, whose meaning stands in `docs/spec/plugin.md`.
//!
//! Everything of a session is fixed-width, little-endian, without pointers, with explicit padding, and held in
//! place by constant assertions. There is no logic: whoever maps these bytes reads and writes them
//! through `adit-ring`. `include/adit.h` is generated from this crate (`cargo xtask generate`) and
//! checked against it by a C compiler in the tests.
//!
//! ```text
//! host region (the host writes, the device maps it read-only)
//!      0 ┌──────────────────────────┐
//!        │ HostHeader           256 │ magic, version, where everything is; written once
//!    256 ├──────────────────────────┤
//!        │ Control               64 │ run / pause / stop, lowest live generation
//!    320 ├──────────────────────────┤
//!        │ ReaderCursor          64 │ the host's head in the solution ring
//!    384 ├──────────────────────────┤
//!        │ reserved             128 │
//!    512 ├──────────────────────────┤
//!        │ JobSlot × board_slots    │ the job board, 640 bytes a slot
//!        ├──────────────────────────┤
//!        │ Slot × work_slots        │ the work ring, 64 bytes a slot
//!        └──────────────────────────┘
//! device region (the device writes, the host maps it read-only)
//!      0 ┌──────────────────────────┐
//!        │ DeviceHeader         256 │ hello: magic last
//!    256 ├──────────────────────────┤
//!        │ ReaderCursor          64 │ the device's head in the work ring
//!    320 ├──────────────────────────┤
//!        │ DeviceStatus          64 │ heartbeat, counters
//!    384 ├──────────────────────────┤
//!        │ reserved             128 │
//!    512 ├──────────────────────────┤
//!        │ Slot × solution_slots    │ the solution ring
//!        └──────────────────────────┘
//! ```

#![no_std]
#![forbid(unsafe_code)]

mod board;
mod lane;
mod message;
mod plugin;
mod region;
mod status;

pub use board::*;
pub use lane::*;
pub use message::*;
pub use plugin::*;
pub use region::*;
pub use status::*;

#[cfg(not(target_endian = "little"))]
compile_error!("Adit's shared layout is little-endian and is not converted on the way");

/// Holds structs in place, and lists their fields for the tests that compare with C.
macro_rules! layout {
    ($( $name:ident: $size:literal align $align:literal { $( $field:ident @ $offset:literal ),* } )*) => {
        $(
            const _: () = {
                assert!(core::mem::size_of::<$name>() == $size);
                assert!(core::mem::align_of::<$name>() == $align);
                $( assert!(core::mem::offset_of!($name, $field) == $offset); )*
            };
        )*

        /// This module's structs.
        pub(crate) const STRUCTS: &[crate::StructLayout] = &[
            $( crate::StructLayout {
                name: stringify!($name),
                size: $size,
                fields: &[ $( (stringify!($field), $offset, crate::size_of_field(|s: &$name| &s.$field)) ),* ],
            } ),*
        ];
    };
}
pub(crate) use layout;

/// One struct as the layout tests see it.
#[doc(hidden)]
pub struct StructLayout {
    /// Its name in Rust; `Adit` stands before it in C.
    pub name: &'static str,
    /// Its size in bytes.
    pub size: usize,
    /// Name, offset and size of each field.
    pub fields: &'static [(&'static str, usize, usize)],
}

/// Every struct of this crate.
#[doc(hidden)]
pub const LAYOUTS: &[&[StructLayout]] =
    &[region::STRUCTS, board::STRUCTS, message::STRUCTS, status::STRUCTS, plugin::STRUCTS, lane::STRUCTS];

const fn size_of_field<S, F>(_field: fn(&S) -> &F) -> usize {
    core::mem::size_of::<F>()
}
