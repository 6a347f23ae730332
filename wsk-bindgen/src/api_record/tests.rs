//! Checks the committed records against their own format, the bindings, and the known history of WSK.

use std::collections::BTreeMap;
use std::fs;

use quote::ToTokens;
use syn::{Expr, Item as Rust, Lit};

use super::items::{ItemKind, Number, Structure};
use super::records::{folder, read_folder};
use super::*;

fn committed() -> (Releases, Records) {
    let headers = project::root().join("headers");
    let releases = Releases::load(&headers).unwrap();
    let records = Records::load(&headers, &releases).unwrap();
    (releases, records)
}

#[test]
fn a_written_record_is_read_unchanged() {
    let (_, records) = committed();
    let folder = folder(&project::root().join("headers"));
    let mut found = read_folder(&folder).unwrap();
    for (name, text) in records.files() {
        assert_eq!(found.remove(&name), Some(text), "{name}: record its WDK again");
    }
    assert!(found.is_empty(), "{:?}", found.keys());
}

/// Every release that the project has, none of which may get lost.
#[test]
fn all_releases_are_recorded() {
    let (releases, records) = committed();
    let kits: Vec<&str> = releases.kits().collect();
    assert_eq!(kits.len(), 14);
    let recorded: Vec<&str> = records.all().iter().map(|it| it.release.as_str()).collect();
    assert_eq!(recorded, kits);
}

#[test]
fn items_are_dated_by_gates_and_first_kits() {
    let (releases, records) = committed();
    let history = History::until("10.0.26100", &records, &releases).unwrap();
    let of_item = |name| history.of_item(name).unwrap().unwrap().since.as_str();
    for (name, since) in [
        ("WskRegister", "Vista"),
        ("WskInspectPend", "Vista"),
        ("MAKE_WSK_VERSION", "Vista"),
        // Gates.
        ("PFN_WSK_GET_NAME_INFO", "7"),
        ("PFN_WSK_SEND_MESSAGES", "8"),
        ("PWSK_BUF_LIST", "8"),
        ("PFN_WSK_LISTEN", "10.1703"),
        // The first kit that has it.
        ("PFN_WSK_CONNECT_EX", "10.1703"),
        ("WSK_FLAG_OOB", "10.1709"),
        ("SIO_WSK_SET_RECEIVE_EX_CALLBACK", "10.1803"),
        // This is wrong: bindings.toml says Windows 8, and gives the reason.
        ("SIO_WSK_SET_TCP_SILENT_MODE", "10"),
    ] {
        assert_eq!(of_item(name), since, "{name}");
    }
    assert!(history.of_item("WskAbsent").unwrap().is_none());
    let of_field = |table, name| history.of_field(table, name).unwrap().unwrap().since.as_str();
    for (table, field, since) in [
        ("WSK_PROVIDER_DISPATCH", "WskSocket", "Vista"),
        ("WSK_PROVIDER_DISPATCH", "WskGetNameInfo", "7"),
        ("WSK_PROVIDER_CONNECTION_DISPATCH", "WskConnectEx", "10.1703"),
        // Not before its table, although its type is older.
        ("WSK_PROVIDER_STREAM_DISPATCH", "WskBind", "10.1703"),
        ("WSK_PROVIDER_STREAM_DISPATCH", "WskSendEx", "10.1803"),
    ] {
        assert_eq!(of_field(table, field), since, "{table}.{field}");
    }
}

#[test]
fn a_history_ends_with_its_release() {
    let (releases, records) = committed();
    let history = History::until("10.0.15063", &records, &releases).unwrap();
    assert!(history.of_item("PFN_WSK_CONNECT_EX").unwrap().is_some());
    assert!(history.of_item("PFN_WSK_SEND_EX").unwrap().is_none());
    let lengths = history.lengths("WSK_PROVIDER_CONNECTION_DISPATCH").unwrap();
    let lengths: Vec<u64> = lengths.iter().map(|length| length.bytes).collect();
    assert_eq!(lengths, [80, 88]);
    let error = History::until("10.0.99999", &records, &releases).err().unwrap().to_string();
    assert!(error.contains("no record below headers/records is of 10.0.99999"), "{error}");
}

/// A new field in the middle of a table is a slot that old clients call for another function.
#[test]
fn a_table_that_grows_in_its_middle_is_refused() {
    let (releases, mut records) = committed();
    let mut record = records.get("10.0.26100").unwrap().clone();
    let ItemKind::Structure(table) =
        &mut record.items.get_mut("WSK_PROVIDER_CONNECTION_DISPATCH").unwrap().kind
    else {
        panic!("not a structure");
    };
    table.fields[3].name = "WskNew".to_owned();
    records.insert(record, &releases);
    let history = History::until("10.0.26100", &records, &releases).unwrap();
    let error = history.lengths("WSK_PROVIDER_CONNECTION_DISPATCH").unwrap_err().to_string();
    assert!(error.contains("WskGetRemoteAddress of Windows Vista after slots of"), "{error}");
}

/// The bindings of wsk.h, read as Rust: layouts, values, and the number of parameters.
#[derive(Default)]
struct Bindings {
    sizes: BTreeMap<String, u64>,
    offsets: BTreeMap<(String, String), u64>,
    values: BTreeMap<String, Number>,
    /// Of function types and functions.
    parameters: BTreeMap<String, Vec<String>>,
    types: Vec<String>,
}

impl Bindings {
    fn load() -> Self {
        let path = project::root().join("wsk-sys/src/generated/wsk.rs");
        let mut bindings = Self::default();
        for item in syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap().items {
            bindings.item(&item);
        }
        bindings
    }

    fn item(&mut self, item: &Rust) {
        match item {
            Rust::Const(item) if item.ident == "_" => self.assertions(&item.expr),
            Rust::Const(item) => {
                self.values.insert(item.ident.to_string(), number(&item.expr));
            }
            Rust::Struct(item) => self.types.push(item.ident.to_string()),
            Rust::Type(item) => {
                let name = item.ident.to_string();
                match function(&item.ty) {
                    Some(function) => {
                        let names = function.inputs.iter().map(|input| {
                            input
                                .name
                                .as_ref()
                                .map_or_else(String::new, |(name, _)| name.to_string())
                        });
                        self.parameters.insert(name, names.collect());
                    }
                    None => self.types.push(name),
                }
            }
            Rust::ForeignMod(block) => {
                for item in &block.items {
                    let syn::ForeignItem::Fn(function) = item else { continue };
                    let names = function.sig.inputs.iter().map(|input| match input {
                        syn::FnArg::Typed(input) => input.pat.to_token_stream().to_string(),
                        syn::FnArg::Receiver(_) => String::new(),
                    });
                    self.parameters.insert(function.sig.ident.to_string(), names.collect());
                }
            }
            _ => {}
        }
    }

    /// `assert!(size_of::<X>() == 8)`, `assert!(core::mem::offset_of!(X, y) == 0)`
    fn assertions(&mut self, block: &Expr) {
        let text = block.to_token_stream().to_string().replace(' ', "");
        for assertion in text.split("assert!(").skip(1) {
            let (left, value) = assertion.split_once("==").unwrap();
            let value: String = value.chars().take_while(char::is_ascii_digit).collect();
            let value = value.parse().unwrap();
            if let Some(name) = left.strip_prefix("size_of::<") {
                self.sizes.insert(name.trim_end_matches(">()").to_owned(), value);
            } else if let Some(path) = left.strip_prefix("core::mem::offset_of!(") {
                let (name, field) = path.trim_end_matches(')').split_once(',').unwrap();
                self.offsets.insert((name.to_owned(), field.to_owned()), value);
            }
        }
    }
}

/// The function of an `Option<unsafe extern "C" fn(…)>`.
fn function(ty: &syn::Type) -> Option<&syn::TypeFnPtr> {
    let syn::Type::Path(path) = ty else { return None };
    let syn::PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments
    else {
        return None;
    };
    match arguments.args.first()? {
        syn::GenericArgument::Type(syn::Type::FnPtr(function)) => Some(function),
        _ => None,
    }
}

fn number(expr: &Expr) -> Number {
    let Expr::Lit(syn::ExprLit { lit: Lit::Int(literal), .. }) = expr else {
        panic!("not a number: {}", expr.to_token_stream())
    };
    literal.base10_parse().unwrap()
}

/// The bindings and the record of their release have the same items.
#[test]
fn the_bindings_are_what_is_recorded() {
    let config = BindingsConfig::load(&project::root().join("headers")).unwrap();
    let record = config.records.get(&config.release).unwrap();
    let mut bindings = Bindings::load();
    for (name, item) in &record.items {
        match &item.kind {
            ItemKind::Constant { value } => {
                assert_eq!(bindings.values.remove(name), Some(*value), "{name}");
            }
            ItemKind::Enumeration { values, .. } => {
                for (name, value) in values {
                    assert_eq!(bindings.values.remove(name), Some(*value), "{name}");
                }
                remove(&mut bindings.types, name);
            }
            ItemKind::Structure(structure) => check_layout(&mut bindings, name, structure),
            ItemKind::FunctionType(signature) | ItemKind::Function(signature) => {
                let names: Vec<String> =
                    signature.parameters.iter().map(|parameter| parameter.name.clone()).collect();
                assert_eq!(bindings.parameters.remove(name), Some(names), "{name}");
            }
            ItemKind::Alias { .. } => remove(&mut bindings.types, name),
            // Hand-written in wsk-sys, according to bindings.toml.
            ItemKind::Macro(_) | ItemKind::Variable { .. } => {
                assert!(name == "WSKAPI" || config.wsk[name].by_hand, "{name}");
            }
        }
    }
    let Bindings { sizes, offsets, values, parameters, types } = bindings;
    assert!(sizes.is_empty(), "{sizes:?}");
    assert!(offsets.is_empty(), "{offsets:?}");
    assert!(values.is_empty(), "{values:?}");
    assert!(parameters.is_empty(), "{parameters:?}");
    assert!(types.is_empty(), "{types:?}");
}

fn check_layout(bindings: &mut Bindings, name: &str, structure: &Structure) {
    remove(&mut bindings.types, name);
    assert_eq!(bindings.sizes.remove(name), Some(structure.size), "{name}");
    for field in &structure.fields {
        let offset = bindings.offsets.remove(&(name.to_owned(), field.name.clone()));
        assert_eq!(offset, Some(field.at), "{name}.{}", field.name);
    }
}

#[track_caller]
fn remove(names: &mut Vec<String>, name: &str) {
    let place = names.iter().position(|other| other == name);
    names.swap_remove(place.unwrap_or_else(|| panic!("the bindings lack {name}")));
}
