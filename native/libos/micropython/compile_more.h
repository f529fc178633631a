/* Part of py/compile.c, put there by edits.toml: syntax of CPython that MicroPython's compiler lacks. What it
 * compiles to are calls of hidden builtins (builtins.c), whose names no program can write.
 *
 *   [a, *b, c]  (a, *b)  {*a, b}   ->  *list((a,), b, (c,))  ...: a call with the parts as tuples
 *   {k: v, **d}                    ->  *dict({k: v}, d)
 *   name: type, in a class         ->  *annotate("name", "type") */

static bool nx_is_star(mp_parse_node_t pn) {
    return MP_PARSE_NODE_IS_STRUCT_KIND(pn, PN_star_expr) ||
           MP_PARSE_NODE_IS_STRUCT_KIND(pn, PN_dictorsetmaker_dbl_star);
}

static bool nx_has_star(mp_parse_node_t *nodes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (nx_is_star(nodes[i])) {
            return true;
        }
    }
    return false;
}

// Gathers what stands between two stars: a tuple of values, or a dict of pairs.
static void nx_compile_part(compiler_t *comp, mp_parse_node_t *nodes, size_t count, bool is_dict) {
    if (is_dict) {
        EMIT_ARG(build, count, MP_EMIT_BUILD_MAP);
    }
    for (size_t i = 0; i < count; i++) {
        if (is_dict && !MP_PARSE_NODE_IS_STRUCT_KIND(nodes[i], PN_dictorsetmaker_item)) {
            compile_syntax_error(comp, nodes[i], MP_ERROR_TEXT("':' expected after dictionary key"));
            return;
        }
        compile_node(comp, nodes[i]);
        if (is_dict) {
            EMIT(store_map);
        }
    }
    if (!is_dict) {
        EMIT_ARG(build, count, MP_EMIT_BUILD_TUPLE);
    }
}

static void nx_compile_display(compiler_t *comp, mp_parse_node_t *nodes, size_t count, qstr function) {
    bool is_dict = function == MP_QSTR__star_dict;
    pn_kind_t star = is_dict ? PN_dictorsetmaker_dbl_star : PN_star_expr;
    size_t parts = 0, from = 0;
    compile_load_id(comp, function);
    for (size_t i = 0; i <= count; i++) {
        if (i < count && !nx_is_star(nodes[i])) {
            continue;
        }
        if (i > from) {
            nx_compile_part(comp, nodes + from, i - from, is_dict);
            parts++;
        }
        if (i < count) {
            if (!MP_PARSE_NODE_IS_STRUCT_KIND(nodes[i], star)) {
                compile_syntax_error(comp, nodes[i], MP_ERROR_TEXT("invalid syntax"));
                return;
            }
            compile_node(comp, ((mp_parse_node_struct_t *)nodes[i])->nodes[0]);
            parts++;
        }
        from = i + 1;
    }
    EMIT_ARG(call_function, parts, 0, 0);
}

// {...} with stars; whether it was one.
static bool nx_compile_brace(compiler_t *comp, mp_parse_node_t pn) {
    mp_parse_node_t few[1] = {pn}, *nodes = few, all[256];
    size_t count = 1;
    if (MP_PARSE_NODE_IS_STRUCT_KIND(pn, PN_dictorsetmaker)) {
        mp_parse_node_struct_t *pns = (mp_parse_node_struct_t *)pn;
        if (!MP_PARSE_NODE_IS_STRUCT_KIND(pns->nodes[1], PN_dictorsetmaker_list)) {
            return false;
        }
        mp_parse_node_t *rest;
        count = 1 + mp_parse_node_extract_list(
            &((mp_parse_node_struct_t *)pns->nodes[1])->nodes[0], PN_dictorsetmaker_list2, &rest);
        if (!nx_is_star(pns->nodes[0]) && !nx_has_star(rest, count - 1)) {
            return false;
        }
        if (count > MP_ARRAY_SIZE(all)) {
            compile_syntax_error(comp, pn, MP_ERROR_TEXT("more than 256 parts beside a star"));
            return true;
        }
        all[0] = pns->nodes[0];
        for (size_t i = 1; i < count; i++) {
            all[i] = rest[i - 1];
        }
        nodes = all;
    }
    if (!nx_has_star(nodes, count)) {
        return false;
    }
    bool is_dict = false;
    for (size_t i = 0; i < count; i++) {
        is_dict |= MP_PARSE_NODE_IS_STRUCT_KIND(nodes[i], PN_dictorsetmaker_dbl_star);
    }
    nx_compile_display(comp, nodes, count, is_dict ? MP_QSTR__star_dict : MP_QSTR__star_set);
    return true;
}

static void nx_annotation_text(vstr_t *text, mp_parse_node_t pn) {
    if (MP_PARSE_NODE_IS_ID(pn) || MP_PARSE_NODE_IS_LEAF(pn)) {
        if (MP_PARSE_NODE_LEAF_KIND(pn) == MP_PARSE_NODE_ID ||
            MP_PARSE_NODE_LEAF_KIND(pn) == MP_PARSE_NODE_STRING) {
            vstr_add_str(text, qstr_str(MP_PARSE_NODE_LEAF_ARG(pn)));
        } else if (MP_PARSE_NODE_IS_TOKEN_KIND(pn, MP_TOKEN_KW_NONE)) {
            vstr_add_str(text, "None");
        } else {
            vstr_add_str(text, "...");
        }
        return;
    }
    if (MP_PARSE_NODE_IS_NULL(pn) || !MP_PARSE_NODE_IS_STRUCT(pn)) {
        return;
    }
    mp_parse_node_struct_t *pns = (mp_parse_node_struct_t *)pn;
    size_t count = MP_PARSE_NODE_STRUCT_NUM_NODES(pns), kind = MP_PARSE_NODE_STRUCT_KIND(pns);
    if (kind == PN_const_object) {
        vstr_add_str(text, "...");
        return;
    }
    bool listed = kind == PN_subscriptlist || kind == PN_testlist_comp || kind == PN_testlist_comp_3c;
    if (kind == PN_trailer_bracket || kind == PN_atom_bracket) {
        vstr_add_byte(text, '[');
    } else if (kind == PN_trailer_period) {
        vstr_add_byte(text, '.');
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && (listed || kind == PN_expr)) {
            vstr_add_str(text, listed ? ", " : " | ");
        }
        nx_annotation_text(text, pns->nodes[i]);
    }
    if (kind == PN_trailer_bracket || kind == PN_atom_bracket) {
        vstr_add_byte(text, ']');
    }
}

static void nx_compile_annotation(compiler_t *comp, mp_parse_node_t name, mp_parse_node_t annotation) {
    if (comp->scope_cur->kind != SCOPE_CLASS || !MP_PARSE_NODE_IS_ID(name)) {
        return;
    }
    vstr_t text;
    vstr_init(&text, 32);
    nx_annotation_text(&text, annotation);
    compile_load_id(comp, MP_QSTR__star_annotate);
    EMIT_ARG(load_const_str, MP_PARSE_NODE_LEAF_ARG(name));
    EMIT_ARG(load_const_str, qstr_from_strn(text.buf, text.len));
    vstr_clear(&text);
    EMIT_ARG(call_function, 2, 0, 0);
    EMIT(pop_top);
}

static mp_obj_t get_const_object(mp_parse_node_struct_t *pns);

// The text with which a function's body begins, or a null node. Only where functions keep it (functions.c).
static mp_parse_node_t nx_document(mp_parse_node_t body) {
    #ifdef NX_GUEST
    if (MP_PARSE_NODE_IS_STRUCT_KIND(body, PN_suite_block_stmts)) {
        body = ((mp_parse_node_struct_t *)body)->nodes[0];
    }
    if (MP_PARSE_NODE_IS_STRUCT_KIND(body, PN_expr_stmt)) {
        mp_parse_node_t first = ((mp_parse_node_struct_t *)body)->nodes[0];
        if ((MP_PARSE_NODE_IS_LEAF(first) && MP_PARSE_NODE_LEAF_KIND(first) == MP_PARSE_NODE_STRING)
            || (MP_PARSE_NODE_IS_STRUCT_KIND(first, PN_const_object)
                && mp_obj_is_str(get_const_object((mp_parse_node_struct_t *)first)))) {
            return ((mp_parse_node_struct_t *)body)->nodes[1] == MP_PARSE_NODE_NULL ? first : MP_PARSE_NODE_NULL;
        }
    }
    #else
    (void)body;
    #endif
    return MP_PARSE_NODE_NULL;
}
