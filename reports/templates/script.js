// Comforts only: the page reads and links without them.
(() => {
  document.documentElement.classList.add('js');

  // A link to something folded away unfolds it.
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let at = target; at; at = at.parentElement) {
      if (at.tagName === 'DETAILS') at.open = true;
    }
    if (target) target.scrollIntoView();
  };
  addEventListener('hashchange', reveal);
  if (location.hash) reveal();

  // A row shows when the text and every box that concern it let it through.
  const rules = new Map();
  const apply = (selector) => {
    const { text = '', only = '' } = rules.get(selector) ?? {};
    for (const row of document.querySelectorAll(selector)) {
      const missed = text && !row.textContent.toLowerCase().includes(text);
      row.hidden = Boolean(missed || (only && !row.classList.contains(only)));
    }
    // A module shows while one of its stories does, and unfolds to show what was looked for.
    for (const module of document.querySelectorAll('details.module')) {
      const rows = [...module.children].filter((row) => row.matches(selector));
      if (rows.length === 0) continue;
      module.hidden = rows.every((row) => row.hidden);
      if (text) module.open = true;
    }
  };
  const rule = (selector, change) => {
    rules.set(selector, { ...rules.get(selector), ...change });
    apply(selector);
  };
  for (const box of document.querySelectorAll('[data-filter]')) {
    box.addEventListener('input', () => rule(box.dataset.filter, { text: box.value.trim().toLowerCase() }));
  }
  for (const box of document.querySelectorAll('[data-only]')) {
    box.addEventListener('change', () => rule(box.dataset.only, { only: box.checked ? box.dataset.class : '' }));
  }

  // Commands copy with one click, where the browser allows it.
  for (const command of document.querySelectorAll('.command, .curl pre')) {
    if (!navigator.clipboard) break;
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'copy';
    button.textContent = 'Copy';
    const text = command.textContent;
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
      setTimeout(() => { button.textContent = 'Copy'; }, 1500);
    });
    command.after(button);
  }

  // On paper nothing can be unfolded, so the evidence of the findings is.
  addEventListener('beforeprint', () => {
    for (const details of document.querySelectorAll('.finding details')) details.open = true;
  });

  // The bar says where one is.
  const links = new Map([...document.querySelectorAll('.bar a[href^="#"]:not(.brand)')].map((a) => [a.hash.slice(1), a]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) links.get(entry.target.id)?.classList.toggle('here', entry.isIntersecting);
  }, { rootMargin: '-25% 0px -70% 0px' });
  for (const section of document.querySelectorAll('main > section')) seen.observe(section);
})();
