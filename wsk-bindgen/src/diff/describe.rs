//! Items in a few words.

use crate::api_record::items::{Item, ItemKind, Parameter, Signature, number};

/// `NTSTATUS (PWSK_SOCKET Socket, PIRP Irp)`
pub(super) fn signature(signature: &Signature) -> String {
    let parameters = signature.parameters.iter().map(|it: &Parameter| String::from(it.clone()));
    format!("{} ({})", signature.returns, parameters.collect::<Vec<_>>().join(", "))
}

pub(super) fn describe(item: &Item) -> String {
    let kind = item.kind.name();
    match &item.kind {
        ItemKind::Constant { value } => format!("{kind} {}", number(*value)),
        ItemKind::Enumeration { values, .. } => {
            let values: Vec<String> =
                values.iter().map(|(name, value)| format!("{name} = {}", number(*value))).collect();
            format!("{kind} {{ {} }}", values.join(", "))
        }
        ItemKind::Structure(structure) => {
            let fields: Vec<&str> = structure.fields.iter().map(|it| it.name.as_str()).collect();
            format!("{kind} of {} bytes {{ {} }}", structure.size, fields.join(", "))
        }
        ItemKind::FunctionType(of) | ItemKind::Function(of) => format!("{kind} {}", signature(of)),
        ItemKind::Alias { of } | ItemKind::Variable { of } => format!("{kind} {of}"),
        ItemKind::Macro(of) => match (of.parameters, &of.text) {
            (Some(count), _) => format!("{kind} with {count} parameters"),
            (None, Some(text)) => format!("{kind} {text}"),
            (None, None) => kind.to_owned(),
        },
    }
}
