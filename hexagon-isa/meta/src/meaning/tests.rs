//! The language by example: what is accepted and what it becomes, what is refused and where.

use super::effects::effects;
use super::ir::{Binary, Kind, Stmt, Type};
use super::{Error, Pos, compile, ir, rust};
use crate::spec::{Numbering, Operand, OperandClass, Role};

fn operand(name: &str, class: OperandClass, role: Role) -> Operand {
    Operand {
        name: name.into(),
        class,
        role,
        new: false,
        signed: name == "Ii",
        scale: 0,
        numbering: Numbering::Plain,
    }
}

pub(super) fn operands() -> Vec<Operand> {
    vec![
        operand("Rd", OperandClass::Gpr, Role::Write),
        operand("Rs", OperandClass::Gpr, Role::Read),
        operand("Rt", OperandClass::Gpr, Role::Read),
    ]
}

pub(super) fn vectors() -> Vec<Operand> {
    vec![
        operand("Vd", OperandClass::Vec, Role::Write),
        operand("Vu", OperandClass::Vec, Role::Read),
        operand("Vv", OperandClass::Vec, Role::Read),
    ]
}

fn pos() -> Pos {
    Pos {
        file: "x.isa".into(),
        line: 7,
        col: 20,
    }
}

pub(super) fn meaning(text: &str, operands: &[Operand]) -> ir::Meaning {
    compile(text, operands, &pos()).unwrap().unwrap()
}

fn mistake(text: &str, operands: &[Operand]) -> Error {
    compile(text, operands, &pos()).unwrap_err()
}

#[test]
fn nothing_between_the_braces_is_no_meaning_yet() {
    assert_eq!(compile("  ", &operands(), &pos()), Ok(None));
}

#[test]
fn saturation_is_typed_and_sticky() {
    let m = meaning("Rd = sat32(i64(Rs) + i64(Rt))", &operands());
    let [Stmt::Write(0, e)] = m.body else {
        panic!("{m:?}")
    };
    assert_eq!(e.ty, Type::I32);
    let Kind::Saturate { value, sticky: true } = &e.kind else {
        panic!("{e:?}")
    };
    assert_eq!(value.ty, Type::I64);
    assert!(effects(&m).sticky);
}

#[test]
fn saturation_of_lanes_leaves_usr_alone() {
    let m = meaning("lane h: Vd = sat16(i32(Vu) + i32(Vv))", &vectors());
    assert!(!effects(&m).sticky);
    let [Stmt::Lanes(64, _)] = m.body else {
        panic!("{m:?}")
    };
}

#[test]
fn field_writes_are_collected_into_one_register_write() {
    let m = meaning("for k in 0..2 { Rd.h[k] = Rs.h[k] + Rt.h[k] }", &operands());
    assert_eq!(m.body.len(), 3);
    assert!(matches!(m.body.last(), Some(Stmt::Write(0, _))));
    assert_eq!(m.locals, [Type::U32]);
}

#[test]
fn literals_take_the_type_of_what_they_meet() {
    let m = meaning("Rd = i32((i64(Rs) * i64(Rt) + 0x80000000) >> 32)", &operands());
    let mut seen = Vec::new();
    m.visit(&mut |e| {
        if let Kind::Const(v) = e.kind {
            seen.push((v, e.ty));
        }
    });
    assert_eq!(seen, [(0x8000_0000, Type::I64), (32, Type::U32)]);
}

#[test]
fn shifts_are_arithmetic_or_logical_by_type() {
    let text = |t: &str| rust::function("X", &operands(), &meaning(t, &operands()));
    assert!(text("Rd = Rs >> Rt").contains("Ord::min"));
    assert!(text("Rd = u32(Rs) >> Rt").contains("checked_shr"));
}

#[test]
fn predicated_instructions_keep_their_write_under_the_condition() {
    let mut ops = operands();
    ops.push(operand("Pu", OperandClass::Pred, Role::Read));
    let m = meaning("if (!Pu.lsb) Rd = Rs + Rt", &ops);
    let [Stmt::If(_, a, b)] = m.body else {
        panic!("{m:?}")
    };
    assert!(matches!(a, [Stmt::Write(0, _)]) && b.is_empty());
}

#[test]
fn named_registers_show_in_the_effects() {
    let m = meaning(
        "let ea = SP + 8; P0 = Rs == Rt; if (P0.new.lsb) jump(ea); Rd = LR",
        &operands(),
    );
    let fx = effects(&m);
    assert_eq!(fx.reads_gpr, 1 << 29 | 1 << 31);
    assert_eq!((fx.writes_pred, fx.reads_new_pred), (1, 1));
    assert!(fx.jump && !fx.fault);
}

#[test]
fn a_pair_counts_its_elements_through_both_halves() {
    let ops = [
        operand("Vdd", OperandClass::VecPair, Role::Write),
        operand("Vu", OperandClass::Vec, Role::Read),
    ];
    let m = meaning(
        "lane h: { Vdd.lo.h = i16(Vu.b[2*i]); Vdd.hi.h = i16(Vu.b[2*i+1]) }",
        &ops,
    );
    let mut added = 0;
    m.visit_stmts(&mut |s| {
        if let Stmt::WriteElement(0, i, _) = s
            && matches!(i.kind, Kind::Binary(Binary::Add, ..))
        {
            added += 1;
        }
    });
    assert_eq!(added, 1);
}

#[test]
fn mistakes_are_reported_where_they_are() {
    for (text, col, what) in [
        ("Rd = Rs + Rq", 30, "unknown name `Rq`"),
        ("Rd = Rs + i64(Rt)", 25, "`+` of i32 and i64"),
        ("Rd = i64(Rs) + i64(Rt)", 25, "expected i32, found i64"),
        ("Rd = Rs +", 29, "expected an expression, found the end"),
        ("Rd = Rs", 20, "input `Rt` is never used"),
        ("let x = Rs + Rt", 20, "output `Rd` is never written"),
        ("Rs = Rt", 20, "`Rs` is an input"),
        (
            "Rd = mem_i32[Rs]; Rd = mem_i32[Rt]",
            20,
            "memory is accessed after a register was written",
        ),
        (
            "mem_i32[Rs] = Rt; Rd = mem_i32[Rs]",
            20,
            "memory is accessed after a store",
        ),
        ("if (Rs) Rd = Rt", 24, "expected a condition, found i32"),
        ("Rd = Rs.h[2] + Rt.h[0]", 25, "there is no h[2]"),
        ("Rd = frob(Rs, Rt)", 25, "unknown function `frob`"),
        ("Rd = Rs < u32(Rt) ? Rs : Rt", 25, "`<` of i32 and u32"),
        ("Rd = Rs § Rt", 28, "unexpected character"),
        (
            "if (Rs == 0) Rd.h[0] = Rt.h[0]",
            33,
            "a field cannot be written under a condition",
        ),
    ] {
        let e = mistake(text, &operands());
        assert!(e.what.starts_with(what), "{text}: {e}");
        assert_eq!((e.line, e.col), (7, col), "{text}: {e}");
    }
    assert_eq!(
        mistake("Rd =\n  Rs +\n  Rq", &operands()).to_string(),
        "x.isa:9:3: unknown name `Rq`"
    );
}

#[test]
fn deep_nesting_is_refused() {
    let text = format!("Rd = {}Rs{}", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(mistake(&text, &operands()).what, "nested too deeply");
    assert_eq!(
        mistake(&format!("Rd = {}Rs", "-".repeat(10_000)), &operands()).what,
        "nested too deeply"
    );
}

#[test]
fn a_function_reads_its_operands_before_it_writes() {
    let f = rust::function("X", &operands(), &meaning("Rd = Rs + Rt", &operands()));
    let (read, write) = (f.find("s.gpr(a.v[2])").unwrap(), f.find("s.w_gpr(").unwrap());
    assert!(read < write);
}

#[test]
fn four_products_of_bytes_become_one_call() {
    let ops = [
        operand("Vx", OperandClass::Vec, Role::ReadWrite),
        operand("Vu", OperandClass::Vec, Role::Read),
        operand("Vv", OperandClass::Vec, Role::Read),
    ];
    let text = |t: &str| rust::function("X", &ops, &meaning(t, &ops));
    let sum = |f: &dyn Fn(u32) -> String| (0..4).map(f).collect::<Vec<_>>().join(" + ");
    let vectors = sum(&|k| format!("i32(Vu.ub[4*i+{k}]) * i32(Vv.b[4*i+{k}])"));
    let same = sum(&|k| format!("i32(Vu.b[4*i+{k}]) * i32(x.b[{k}])"));
    let f = text(&format!("lane w: Vx += {vectors}"));
    assert!(f.contains("dot4::<false, true>(elements(e0), e1, e2)"), "{f}");
    let f = text(&format!("let x = u32(Vv.w[3]); lane w: Vx += {same}"));
    assert!(
        f.contains("dot4::<true, true>(elements(e0), e1, &dot::splat(t0))"),
        "{f}"
    );
    for other in [
        // A fifth term, other bytes, a byte twice.
        format!("lane w: Vx += {vectors} + i32(Vu.b[0])"),
        format!(
            "lane w: Vx += {}",
            vectors.replace("Vu.ub[4*i+3]", "Vu.ub[4*i+2]")
        ),
        format!("lane w: Vx += {}", vectors.replace("Vv.b[4*i+1]", "Vv.b[4*i]")),
    ] {
        let f = text(&other);
        assert!(!f.contains("dot4") && f.contains("for i in"), "{other}");
    }
}

#[test]
fn a_quad_has_elements_only() {
    let ops = [
        operand("Vyyyy", OperandClass::VecQuad, Role::ReadWrite),
        operand("Vu", OperandClass::Vec, Role::Read),
    ];
    let f = rust::function("X", &ops, &meaning("lane w: Vyyyy.w[96 + i] += Vu.w", &ops));
    assert!(f.contains("[i32; 128]") && f.contains("s.w_vec_quad("), "{f}");
    assert_eq!(
        mistake("Vyyyy = Vu", &ops).what,
        "of a quad, only elements can be written"
    );
    assert_eq!(
        mistake("let x = Vyyyy; lane w: Vyyyy.w = Vu.w", &ops).what,
        "of a quad, only elements can be named"
    );
}

#[test]
fn a_vector_goes_between_memory_and_its_register_without_a_copy() {
    let address = operand("Rt", OperandClass::Gpr, Role::ReadWrite);
    let ops = [operand("Vd", OperandClass::Vec, Role::Write), address.clone()];
    let f = rust::function("X", &ops, &meaning("Vd = vmem[Rt]; Rt += 128", &ops));
    assert!(
        f.contains("s.load_vec::<M>(a.v[0]") && !f.contains("w_vec("),
        "{f}"
    );
    let ops = [operand("Vs", OperandClass::Vec, Role::Read), address];
    let f = rust::function("X", &ops, &meaning("vmem[Rt] = Vs; Rt += 128", &ops));
    assert!(f.contains("s.vec(a.v[0]))?") && !f.contains("let o0"), "{f}");
}
