#include "py/objtype.h"
#include "py/runtime.h"

#include "mro.h"

MP_REGISTER_ROOT_POINTER(mp_obj_t nx_mro_of_classes);

/* The bases of a class, without object. */
static size_t bases_of(const mp_obj_type_t *type, mp_obj_t *one, const mp_obj_t **bases)
{
    if (!MP_OBJ_TYPE_HAS_SLOT(type, parent) || type == &mp_type_object)
        return 0;
    const mp_obj_base_t *parent = MP_OBJ_TYPE_GET_SLOT(type, parent);
    if (parent->type == &mp_type_tuple) {
        const mp_obj_tuple_t *several = (const mp_obj_tuple_t *)parent;
        *bases = several->items;
        return several->len - (several->items[several->len - 1] == MP_OBJ_FROM_PTR(&mp_type_object));
    }
    *one = MP_OBJ_FROM_PTR(parent);
    *bases = one;
    return parent != (const mp_obj_base_t *)&mp_type_object;
}

struct list {
    const mp_obj_t *items;
    size_t count;
};

static bool in_a_tail(mp_obj_t class, const struct list *lists, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 1; k < lists[i].count; k++)
            if (lists[i].items[k] == class)
                return true;
    return false;
}

static mp_obj_t next_class(const struct list *lists, size_t count)
{
    bool left = false;
    for (size_t i = 0; i < count; i++) {
        left = left || lists[i].count;
        if (lists[i].count && !in_a_tail(lists[i].items[0], lists, count))
            return lists[i].items[0];
    }
    if (left)
        mp_raise_TypeError(MP_ERROR_TEXT("Cannot create a consistent method resolution order (MRO) for bases"));
    return MP_OBJ_NULL;
}

mp_obj_tuple_t *nx_mro(const mp_obj_type_t *type)
{
    if (MP_STATE_VM(nx_mro_of_classes) == MP_OBJ_NULL)
        MP_STATE_VM(nx_mro_of_classes) = mp_obj_new_dict(0);
    mp_map_t *known = mp_obj_dict_get_map(MP_STATE_VM(nx_mro_of_classes));
    mp_obj_t one;
    const mp_obj_t *bases = NULL;
    size_t count = bases_of(type, &one, &bases);
    mp_map_elem_t *entry = count > 1 ? mp_map_lookup(known, MP_OBJ_FROM_PTR(type), MP_MAP_LOOKUP) : NULL;
    if (entry)
        return MP_OBJ_TO_PTR(entry->value);
    mp_obj_t found = mp_obj_new_list(0, NULL), class;
    mp_obj_list_append(found, MP_OBJ_FROM_PTR(type));
    struct list *lists = m_new(struct list, count + 1);
    for (size_t i = 0; i < count; i++) {
        const mp_obj_tuple_t *order = nx_mro(MP_OBJ_TO_PTR(bases[i]));
        lists[i] = (struct list){order->items, order->len};
    }
    lists[count] = (struct list){bases, count};
    while ((class = next_class(lists, count + 1)) != MP_OBJ_NULL) {
        mp_obj_list_append(found, class);
        for (size_t i = 0; i <= count; i++)
            if (lists[i].count && lists[i].items[0] == class)
                lists[i].items++, lists[i].count--;
    }
    size_t length;
    mp_obj_t *items;
    mp_obj_list_get(found, &length, &items);
    mp_obj_t order = mp_obj_new_tuple(length, items);
    if (count > 1)
        mp_map_lookup(known, MP_OBJ_FROM_PTR(type), MP_MAP_LOOKUP_ADD_IF_NOT_FOUND)->value = order;
    return MP_OBJ_TO_PTR(order);
}

size_t nx_mro_after(const mp_obj_type_t *type, const mp_obj_type_t *from, mp_obj_tuple_t **order)
{
    mp_obj_t one;
    const mp_obj_t *bases;
    for (const mp_obj_type_t *at = type; at != from; at = MP_OBJ_TO_PTR(bases[0])) {
        size_t count = bases_of(at, &one, &bases);
        if (count == 0)
            return 0;
        if (count == 1)
            continue;
        *order = nx_mro(type);
        for (size_t i = 0; i < (*order)->len; i++)
            if ((*order)->items[i] == MP_OBJ_FROM_PTR(from))
                return i + 1;
        return 0;
    }
    return 0;
}
