# Names of one address in every order of table, binding, type and spelling.
    .text
    .type zeta, @function
    .globl beta
    .type beta, @function
    .weak alpha
    .type alpha, @function
    .globl data_name
    .type data_name, @object
    .globl untyped_name
    .globl zz_data
    .type zz_data, @object
zeta:
beta:
alpha:
data_name:
untyped_name:
Upper:
_under:
zz_data:
    { r0 = #1 }
    { call zeta }
    { call beta }
    { jump Upper }
    { jump within }
middle_object:
    .type middle_object, @object
within:
    { jumpr r31 }
    .globl ifunc_name
    .type ifunc_name, @gnu_indirect_function
ifunc_name:
    { jumpr r31 ; r0 = #0 }
    .globl end_name
end_name:
