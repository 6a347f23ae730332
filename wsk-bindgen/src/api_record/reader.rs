//! The entities that libclang finds in wsk.h, as items.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context, Result, bail, ensure};
use clang::token::{Token, TokenKind};
use clang::{Entity, EntityKind, EvaluationResult, Type, TypeKind};

use super::cpp::{is_no_declaration, member_of_cpp, problem_of_members};
use super::definitions::Definitions;
use super::gates::Gates;
use super::items::{Field, Item, ItemKind, Items, Macro, Number, Parameter, Signature, Structure};
use super::read::{DEFINED, HEADER, Header, RELEASES, VALUE, is_named, value_of};
use super::spelling::{Spelling, convention};

/// The items read so far.
pub(super) struct Reader<'tu> {
    gates: Gates,
    /// The names of the definitions that were found in the header's text.
    definitions: Definitions,
    spelling: Spelling<'tu>,
    items: Items,
    targets: BTreeMap<String, u64>,
    /// The lines of the wrapper that clang refused.
    rejected: BTreeSet<u32>,
    /// The values of the wrapper's constants, by their names from [`value_of`].
    values: BTreeMap<String, Number>,
    /// The macros that are defined at the end.
    defined: BTreeSet<String>,
    /// The macros of the header, each with its gate.
    macros: BTreeMap<String, (Entity<'tu>, Option<String>)>,
    /// The values of GUIDs that are defined, by their names.
    guids: BTreeMap<String, String>,
    /// The enumerations without a tag. A typedef may name them later.
    untagged: Vec<Entity<'tu>>,
}

impl<'tu> Reader<'tu> {
    pub(super) fn new(gates: Gates, definitions: Definitions, rejected: BTreeSet<u32>) -> Self {
        Self {
            gates,
            definitions,
            spelling: Spelling::default(),
            items: Items::new(),
            targets: BTreeMap::new(),
            rejected,
            values: BTreeMap::new(),
            defined: BTreeSet::new(),
            macros: BTreeMap::new(),
            guids: BTreeMap::new(),
            untagged: Vec::new(),
        }
    }

    pub(super) fn entities(&mut self, entities: &[Entity<'tu>]) -> Result<()> {
        for entity in entities {
            if matches!(entity.get_kind(), EntityKind::LinkageSpec | EntityKind::UnexposedDecl) {
                // `extern "C" { … }`
                self.entities(&entity.get_children())?;
                continue;
            }
            let Some(place) = entity.get_location().map(|place| place.get_expansion_location())
            else {
                continue;
            };
            let Some(file) = place.file.map(|file| file.get_path()) else { continue };
            let name = entity.get_name().unwrap_or_default();
            if is_named(&file, HEADER) {
                self.entity(*entity, &name, place.line)
                    .with_context(|| format!("{HEADER}, line {}: {name}", place.line))?;
            } else if is_named(&file, RELEASES) && entity.get_kind() == EntityKind::MacroDefinition
            {
                self.target(entity, name);
            } else if let Some(name) = name.strip_prefix(DEFINED) {
                self.defined.insert(name.to_owned());
            } else if let Some(name) = name.strip_prefix(VALUE)
                && !self.rejected.contains(&place.line)
            {
                self.values.extend(integer(entity).map(|value| (name.to_owned(), value)));
            }
        }
        Ok(())
    }

    fn entity(&mut self, entity: Entity<'tu>, name: &str, line: u32) -> Result<()> {
        let gate = self.gates.of_line(line)?;
        let (name, kind) = match entity.get_kind() {
            // The project's headers have their own macros.
            EntityKind::MacroDefinition if name.starts_with("WSK_HEADERS_") => return Ok(()),
            EntityKind::MacroDefinition => {
                self.macros.insert(name.to_owned(), (entity, gate));
                return Ok(());
            }
            EntityKind::MacroExpansion if name == "DEFINE_GUID" => {
                self.guids.extend(guid(&entity));
                return Ok(());
            }
            EntityKind::StructDecl | EntityKind::UnionDecl | EntityKind::EnumDecl => {
                if !entity.is_definition() {
                    return Ok(());
                }
                self.nested(entity)?;
                let Some(name) = self.spelling.name(&entity) else {
                    if entity.get_kind() == EntityKind::EnumDecl {
                        self.untagged.push(entity);
                    }
                    return Ok(());
                };
                (name, self.definition(entity)?)
            }
            EntityKind::TypedefDecl | EntityKind::TypeAliasDecl => {
                match self.typedef(entity, name)? {
                    Some(kind) => (name.to_owned(), kind),
                    None => return Ok(()),
                }
            }
            EntityKind::FunctionDecl => {
                let ty = entity.get_type().context("it has no type")?;
                let parameters = entity.get_arguments().unwrap_or_default();
                (name.to_owned(), ItemKind::Function(self.signature(&ty, &parameters)?))
            }
            EntityKind::VarDecl => {
                let ty = entity.get_type().context("it has no type")?;
                let value = integer(&entity).filter(|_| ty.is_const_qualified());
                let kind = match value {
                    Some(value) => ItemKind::Constant { value },
                    None => ItemKind::Variable { of: self.spelling.of(&ty) },
                };
                (name.to_owned(), kind)
            }
            kind if is_no_declaration(kind) => return Ok(()),
            kind => bail!("it is a {kind:?} of C++, which a record cannot have"),
        };
        self.items.entry(name).or_insert(Item { gate, kind });
        Ok(())
    }

    /// The types that are declared inside a structure.
    fn nested(&mut self, structure: Entity<'tu>) -> Result<()> {
        for child in structure.get_children() {
            if let EntityKind::StructDecl | EntityKind::UnionDecl | EntityKind::EnumDecl =
                child.get_kind()
            {
                self.entity(child, "", line(&child))?;
            }
        }
        Ok(())
    }

    /// The item that a typedef declares. `None` if it only names a structure.
    fn typedef(&mut self, entity: Entity<'tu>, name: &str) -> Result<Option<ItemKind>> {
        let ty = entity.get_typedef_underlying_type().context("it has no underlying type")?;
        if let Some(pointee) = ty.get_pointee_type()
            && pointee.get_result_type().is_some()
        {
            let parameters: Vec<Entity<'tu>> = entity
                .get_children()
                .into_iter()
                .filter(|child| child.get_kind() == EntityKind::ParmDecl)
                .collect();
            return Ok(Some(ItemKind::FunctionType(self.signature(&pointee, &parameters)?)));
        }
        if let Some(declaration) = ty.get_canonical_type().get_declaration()
            && matches!(
                declaration.get_kind(),
                EntityKind::StructDecl | EntityKind::UnionDecl | EntityKind::EnumDecl
            )
        {
            match self.spelling.name(&declaration) {
                None => {
                    self.spelling.add_typedef(declaration, name);
                    return self.definition(declaration).map(Some);
                }
                Some(tag) if tag == name && declaration.get_definition().is_some() => {
                    return Ok(None);
                }
                Some(tag) if tag == name => {
                    let of = match declaration.get_kind() {
                        EntityKind::EnumDecl => "enum",
                        EntityKind::UnionDecl => "union",
                        _ => "struct",
                    };
                    return Ok(Some(ItemKind::Alias { of: format!("incomplete {of}") }));
                }
                Some(_) => {}
            }
        }
        let mut of = self.spelling.of(&ty);
        if let Some(align) = alignment_of_its_own(&entity) {
            let _ = write!(of, " aligned to {align}");
        }
        Ok(Some(ItemKind::Alias { of }))
    }

    fn definition(&self, entity: Entity<'tu>) -> Result<ItemKind> {
        if entity.get_kind() == EntityKind::EnumDecl {
            ensure!(
                !entity.is_scoped(),
                "it is an `enum class` of C++, which a record cannot have"
            );
            let values = entity.get_children().into_iter().filter_map(|enumerator| {
                Some((enumerator.get_name()?, enumerator_value(&entity, &enumerator)?))
            });
            let underlying = entity.get_enum_underlying_type();
            let underlying =
                underlying.filter(|ty| ty.get_canonical_type().get_kind() != TypeKind::Int);
            let ty = underlying.map(|ty| self.spelling.of(&ty));
            return Ok(ItemKind::Enumeration { ty, values: values.collect() });
        }
        if let Some(member) = entity.get_children().iter().find_map(member_of_cpp) {
            bail!("it has a {member}, which a record cannot have");
        }
        if let Some(problem) = problem_of_members(&entity) {
            bail!("it has {problem}");
        }
        let ty = entity.get_type().context("it has no type")?;
        let mut fields = Vec::new();
        self.fields(&ty, 0, &mut fields)?;
        Ok(ItemKind::Structure(Structure {
            size: bytes(ty.get_sizeof())?,
            align: bytes(ty.get_alignof())?,
            fields,
        }))
    }

    /// The fields, and those of members without a name, which are spelled like the others.
    fn fields(&self, ty: &Type<'tu>, base: u64, fields: &mut Vec<Field>) -> Result<()> {
        for field in ty.get_fields().unwrap_or_default() {
            let field_type = field.get_type().context("a field has no type")?;
            let bits = bytes(field.get_offset_of_field())?;
            let at = base + bits / 8;
            let Some(name) =
                field.get_name().filter(|name| !name.is_empty() && !name.contains('('))
            else {
                self.fields(&field_type, at, fields)?;
                continue;
            };
            let mut ty = self.spelling.of(&field_type);
            if let Some(width) = field.get_bit_field_width() {
                let _ = write!(ty, " bits {}+{width}", bits % 8);
            }
            let gate = self.gates.of_line(line(&field))?;
            fields.push(Field { at, name, ty, gate });
        }
        Ok(())
    }

    fn signature(&self, ty: &Type<'tu>, parameters: &[Entity<'tu>]) -> Result<Signature> {
        let mut returns = self.spelling.of(&ty.get_result_type().context("it returns nothing")?);
        if let Some(convention) = convention(ty) {
            let _ = write!(returns, " {convention}");
        }
        let types = ty.get_argument_types().context("it has no parameters")?;
        let mut named = Vec::new();
        for (index, ty) in types.iter().enumerate() {
            let name = parameters.get(index).and_then(Entity::get_name);
            let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "_".to_owned());
            named.push(Parameter { ty: self.spelling.of(ty), name });
        }
        if ty.is_variadic() {
            named.push(Parameter::more());
        }
        Ok(Signature { returns, parameters: named })
    }

    /// `#define NTDDI_WIN8 0x06020000`; other spellings name what is known already.
    fn target(&mut self, entity: &Entity<'tu>, name: String) {
        let tokens = entity.get_range().map(|range| range.tokenize()).unwrap_or_default();
        let [_, value, ..] = &tokens[..] else { return };
        let number = value.get_spelling();
        let number =
            number.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        if let Some(number) = number.filter(|_| name.starts_with("NTDDI_")) {
            self.targets.insert(name, number);
        }
    }

    pub(super) fn finish(mut self) -> Result<Header> {
        // A gate inside a structure applies to the fields below it. The gate of the whole structure is recorded once.
        for item in self.items.values_mut() {
            if let ItemKind::Structure(structure) = &mut item.kind {
                for field in &mut structure.fields {
                    if field.gate == item.gate {
                        field.gate = None;
                    }
                }
            }
        }
        for (name, value) in &self.guids {
            if let Some(Item { kind: ItemKind::Variable { of }, .. }) = self.items.get_mut(name) {
                let _ = write!(of, " {{{value}}}");
            }
        }
        let named = |entity: &&Entity<'tu>| self.spelling.name(entity).is_none();
        for entity in self.untagged.iter().filter(named) {
            for enumerator in entity.get_children() {
                let value = enumerator_value(entity, &enumerator);
                let (Some(name), Some(value)) = (enumerator.get_name(), value) else { continue };
                let gate = self.gates.of_line(line(&enumerator))?;
                self.items.entry(name).or_insert(Item { gate, kind: ItemKind::Constant { value } });
            }
        }
        for (name, (entity, gate)) in &self.macros {
            if !self.defined.contains(name) && self.definitions.has(name) {
                // It is undefined again.
                continue;
            }
            let tokens = || entity.get_range().map(|range| range.tokenize()).unwrap_or_default();
            let parameters = entity.is_function_like_macro().then(|| parameters(&tokens()));
            // A macro with letters that only clang accepts has no constant. It is recorded nevertheless.
            let value = self.values.get(&value_of(name, parameters)).copied();
            let kind = match (parameters, value) {
                (Some(_), sample) => ItemKind::Macro(Macro { parameters, sample, text: None }),
                (None, Some(value)) => ItemKind::Constant { value },
                (None, None) if tokens().len() > 1 => ItemKind::Macro(Macro {
                    parameters: None,
                    sample: None,
                    text: literal(&tokens()),
                }),
                // An include guard.
                (None, None) => continue,
            };
            self.items.insert(name.clone(), Item { gate: gate.clone(), kind });
        }
        ensure!(!self.items.is_empty(), "{HEADER} declares nothing");
        Ok(Header { items: self.items, targets: self.targets })
    }
}

/// The value of a constant, if it is an integer of at most 64 bits. Pointers and floating-point numbers have no such
/// value.
pub(crate) fn integer(constant: &Entity<'_>) -> Option<Number> {
    let ty = constant.get_type()?.get_canonical_type();
    let is_integer = ty.is_integer() || ty.get_kind() == TypeKind::Enum;
    if !is_integer || ty.get_sizeof().ok()? > size_of::<Number>() {
        return None;
    }
    match constant.evaluate()? {
        EvaluationResult::SignedInteger(value) => Some(value),
        EvaluationResult::UnsignedInteger(value) => Some(value.cast_signed()),
        _ => None,
    }
}

/// The value of an enumerator, by the sign of its enumeration's type.
fn enumerator_value(enumeration: &Entity<'_>, enumerator: &Entity<'_>) -> Option<Number> {
    let (signed, unsigned) = enumerator.get_enum_constant_value()?;
    let ty = enumeration.get_enum_underlying_type()?.get_canonical_type();
    Some(if ty.is_unsigned_integer() { unsigned.cast_signed() } else { signed })
}

/// The alignment of a typedef that its type does not have.
pub(crate) fn alignment_of_its_own(typedef: &Entity<'_>) -> Option<usize> {
    let own = typedef.get_type()?.get_alignof().ok()?;
    let ty = typedef.get_typedef_underlying_type()?.get_canonical_type();
    ty.get_alignof().is_ok_and(|align| align != own).then_some(own)
}

fn line(entity: &Entity<'_>) -> u32 {
    entity.get_location().map_or(0, |place| place.get_expansion_location().line)
}

fn bytes<E: std::fmt::Debug>(size: Result<usize, E>) -> Result<u64> {
    let size = size.map_err(|error| anyhow::anyhow!("it has no layout: {error:?}"))?;
    u64::try_from(size).context("it is too large")
}

/// The text of a macro that stands for a string, a floating-point number, or another literal without an integer value.
fn literal(tokens: &[Token<'_>]) -> Option<String> {
    let body = tokens.get(1..)?;
    let is_part = |token: &Token<'_>| match token.get_kind() {
        TokenKind::Literal => true,
        TokenKind::Punctuation => ["(", ")", "-"].contains(&&*token.get_spelling()),
        _ => false,
    };
    let has_literal = body.iter().any(|token| token.get_kind() == TokenKind::Literal);
    let spellings: Vec<String> = body.iter().map(Token::get_spelling).collect();
    (has_literal && body.iter().all(is_part)).then(|| spellings.join(" "))
}

/// The name and the value in `DEFINE_GUID(NAME, 0x1234, …)`.
fn guid(expansion: &Entity<'_>) -> Option<(String, String)> {
    let tokens = expansion.get_range()?.tokenize();
    let tokens: Vec<String> = tokens.iter().map(Token::get_spelling).collect();
    let [_, _, name, _, value @ .., _] = &tokens[..] else { return None };
    let numbers: Vec<&str> = value.iter().map(String::as_str).filter(|it| *it != ",").collect();
    Some((name.clone(), numbers.join(", ")))
}

/// The number of parameters of a macro: `NAME ( A , B ) …`.
fn parameters(tokens: &[Token<'_>]) -> usize {
    let tokens = tokens.iter().skip(2).map(Token::get_spelling);
    tokens.take_while(|token| token != ")").filter(|token| token != ",").count()
}
