//! Whether two types, spelled as in records, are the same in memory and in calls.

use crate::api_record::items::{ItemKind, Items};

/// Whether a type of the old header is passed and stored as a type of the new one. `false` for two spellings that the
/// records cannot relate, such as `ULONG` and `DWORD`.
pub(super) fn is_same(old: (&str, &Items), new: (&str, &Items)) -> bool {
    plain(old.0, old.1) == plain(new.0, new.1)
}

/// A type without constness, with the targets of wsk.h's typedefs, and with `X*` for the pointer type `PX`.
fn plain(ty: &str, items: &Items) -> String {
    let mut plain = String::new();
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut rest = ty;
    while let Some(first) = rest.chars().next() {
        let end = if is_part(first) {
            rest.find(|character| !is_part(character)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, behind) = rest.split_at(end);
        rest = behind;
        match (token, items.get(token).map(|item| &item.kind)) {
            ("const" | " ", _) => {}
            // In C, typedefs cannot be circular.
            (_, Some(ItemKind::Alias { of })) if of != token => plain += &self::plain(of, items),
            (_, Some(_)) => plain += token,
            (_, None) => {
                let target = token.strip_prefix('P');
                match target.filter(|target| target.starts_with(char::is_uppercase)) {
                    Some(target) => plain.extend([keyword(target), "*"]),
                    None => plain += keyword(token),
                }
            }
        }
    }
    plain
}

/// `VOID` is a typedef in some kits, and a macro in others.
fn keyword(name: &str) -> &str {
    if name == "VOID" { "void" } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_record::items_of;

    #[test]
    fn typedefs_and_constness_do_not_change_a_representation() {
        let items = items_of(
            "[aliases]\nPWSK_BUF = { type = \"WSK_BUF*\" }\nPPWSK_BUF = { type = \"PWSK_BUF*\" }\n\
             PWSK_CLIENT = { type = \"PVOID\" }\n",
        );
        let same = |old, new| is_same((old, &items), (new, &items));
        assert!(same("PWSK_BUF", "const WSK_BUF*"));
        assert!(same("PPWSK_BUF", "WSK_BUF**"));
        assert!(same("PWSK_CLIENT", "VOID*"));
        assert!(same("PSOCKADDR", "const SOCKADDR*"));
        assert!(same("PVOID", "VOID* const"));
        assert!(same("PVOID", "void*"));
        assert!(same("ULONG (*)(PULONG)", "ULONG (* const)(ULONG*)"));
        assert!(!same("PWSK_BUF", "WSK_BUF"));
        assert!(!same("PWSK_BUF", "WSK_BUF_LIST*"));
        assert!(!same("ULONG", "ULONG64"));
        assert!(!same("ULONG*", "ULONG* __ptr32"));
        assert!(!same("ULONG", "ULONG bits 0+3"));
        assert!(!same("UCHAR[4]", "UCHAR[8]"));
        assert!(!same("PFN_WSK_SEND", "PFN_WSK_SEND_EX"));
    }
}
