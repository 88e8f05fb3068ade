"use strict";
/* The whole shop: products, a cart in localStorage, and what each page shows of them. No network, no build. */

const PRODUCTS = [
  { id: "blue-mug", name: "Blue mug", price: 1200, icon: "☕", text: "Stoneware, 0.3 litres, safe in the dishwasher." },
  { id: "desk-lamp", name: "Desk lamp", price: 4950, icon: "💡", text: "Warm light, three levels, an arm that stays where it is put." },
  { id: "notebook", name: "Notebook", price: 850, icon: "📓", text: "120 dotted pages that lie flat." },
  { id: "tea-pot", name: "Tea pot", price: 3400, icon: "🫖", text: "Cast iron, 0.8 litres, with a sieve." },
  { id: "wool-scarf", name: "Wool scarf", price: 2990, icon: "🧣", text: "Soft merino in four colours." },
  { id: "plant", name: "House plant", price: 1890, icon: "🪴", text: "Asks for water once a week, and for nothing else." },
];
const CART = "shop.cart";
const money = (cents) => "€" + (cents / 100).toFixed(2);
const product = (id) => PRODUCTS.find((one) => one.id === id);

function cart() {
  try { return JSON.parse(localStorage.getItem(CART)) ?? {}; } catch { return {}; }
}

function store(items) {
  localStorage.setItem(CART, JSON.stringify(items));
  showCount();
}

function add(id, quantity) {
  const items = cart();
  items[id] = (items[id] ?? 0) + quantity;
  store(items);
}

function total(items) {
  return Object.entries(items).reduce((sum, [id, quantity]) => sum + product(id).price * quantity, 0);
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function showCount() {
  const count = Object.values(cart()).reduce((sum, quantity) => sum + quantity, 0);
  document.querySelector("[data-count]").textContent = `Cart (${count})`;
}

const pages = {
  list() {
    const list = document.querySelector(".products");
    for (const one of PRODUCTS) {
      const link = element("a", { href: `product.html?id=${one.id}`, textContent: one.name });
      const picture = element("div", { className: "picture", ariaHidden: "true" }, one.icon);
      const body = element("div", { className: "body" }, element("h2", {}, link),
        element("p", { className: "price", textContent: money(one.price) }));
      const button = element("button", { type: "button", textContent: "Add to cart" });
      button.onclick = () => {
        add(one.id, 1);
        document.querySelector("[role=status]").textContent = `${one.name} was added to your cart`;
      };
      body.append(button);
      list.append(element("li", { className: "card" }, picture, body));
    }
  },

  product() {
    const one = product(new URLSearchParams(location.search).get("id"));
    const place = document.querySelector("[data-product]");
    if (!one) { place.replaceChildren("This product does not exist."); return; }
    document.title = `${one.name} · Sample shop`;
    place.querySelector("h1").textContent = one.name;
    place.querySelector(".picture").textContent = one.icon;
    place.querySelector(".price").textContent = money(one.price);
    place.querySelector("[data-text]").textContent = one.text;
    place.querySelector("form").onsubmit = (event) => {
      event.preventDefault();
      const quantity = Number(place.querySelector("select").value);
      add(one.id, quantity);
      document.querySelector("[role=status]").textContent = `${one.name} was added to your cart`;
    };
  },

  cart() {
    const items = cart();
    const rows = document.querySelector("tbody");
    rows.replaceChildren();
    for (const [id, quantity] of Object.entries(items)) {
      const one = product(id);
      const remove = element("button", { type: "button", className: "plain", textContent: "Remove" });
      remove.onclick = () => { const left = cart(); delete left[id]; store(left); pages.cart(); };
      rows.append(element("tr", {}, element("td", { textContent: one.name }),
        element("td", { className: "number", textContent: quantity }),
        element("td", { className: "number", textContent: money(one.price * quantity) }), element("td", {}, remove)));
    }
    const empty = Object.keys(items).length === 0;
    document.querySelector("[data-filled]").hidden = empty;
    document.querySelector("[data-empty]").hidden = !empty;
    document.querySelector("[data-total]").textContent = money(total(items));
  },

  checkout() {
    const form = document.querySelector("form");
    form.noValidate = true;
    form.onsubmit = (event) => {
      event.preventDefault();
      const alert = document.querySelector("[role=alert]");
      const values = new FormData(form);
      if (!values.get("name")) { alert.textContent = "Please enter your name"; return; }
      if (!String(values.get("email")).includes("@")) { alert.textContent = "Please enter a valid email address"; return; }
      if (!values.get("terms")) { alert.textContent = "Please accept the terms"; return; }
      store({});
      location.href = `thanks.html?name=${encodeURIComponent(String(values.get("name")))}`;
    };
  },

  thanks() {
    const name = new URLSearchParams(location.search).get("name");
    document.querySelector("h1").textContent = name ? `Thank you, ${name}!` : "Thank you!";
  },
};

showCount();
pages[document.body.dataset.page]?.();
