
'use strict';
// The page says all without this: it counts down, and fetches itself anew every five seconds.
(() => {
  const main = document.querySelector('main');
  const button = document.querySelector('footer button');
  const note = document.querySelector('output');
  let came = Date.now(), isOn = true;
  const span = (s) => (s < 3600 ? '' : `${Math.floor(s / 3600)} h `)
    + (s < 60 ? '' : `${Math.floor(s % 3600 / 60)} min `) + `${s % 60} s`;
  const count = () => {
    for (const element of main.querySelectorAll('[data-left]')) {
      const left = Math.max(0, Math.round(element.dataset.left - (Date.now() - came) / 1000));
      element.textContent = left ? `in ${span(left)}` : 'now, with the next mail';
    }
  };
  const renew = async () => {
    if (!isOn || document.hidden || String(getSelection())) return;
    try {
      const answer = await fetch(location.pathname + location.search, {cache: 'no-store'});
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const link = main.contains(document.activeElement) && document.activeElement.getAttribute('href');
      main.replaceChildren(...page.querySelector('main').childNodes);
      document.title = page.title;
      came = Date.now();
      note.textContent = '';
      count();
      if (link) main.querySelector(`[href="${link}"]`)?.focus({preventScroll: true});
    } catch {
      note.textContent = note.dataset.gone;
    }
  };
  button.hidden = false;
  button.addEventListener('click', () => {
    isOn = !isOn;
    button.textContent = isOn ? 'Stop renewing' : 'Renew every 5 seconds';
    renew();
  });
  count();
  setInterval(count, 1000);
  setInterval(renew, 5000);
})();
